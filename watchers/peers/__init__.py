"""What the replicas of Headgate tell each other."""
