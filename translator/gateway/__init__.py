"""Gateways, listeners, attachment and certificates: objects to IR."""
