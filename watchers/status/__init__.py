"""Writes of object statuses to the API server."""
