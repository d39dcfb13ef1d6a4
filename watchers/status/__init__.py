"""Writes the status of objects."""
