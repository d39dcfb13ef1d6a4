"""The API server: its client, credentials, discovery and errors."""
