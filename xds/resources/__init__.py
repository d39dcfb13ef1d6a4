"""What a server serves: resources, their types and references, and snapshots of them."""
