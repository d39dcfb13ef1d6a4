"""Conditions, findings and tables, as people read them."""
