"""The queries that end in `.status`."""
