"""Translates and validates without any proxy."""
