"""Resources, their types and references, and snapshots: everything that a server can serve."""
