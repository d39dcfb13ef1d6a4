"""Headgate's own kinds."""
