"""Evaluates what has changed, publishes snapshots and statuses, and follows what the proxies answer."""
