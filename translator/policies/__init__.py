"""Policies: what they attach to, and what is effective where."""
