"""The control plane: evaluates changes, publishes snapshots and statuses, and follows ACKs and NACKs."""
