"""Envoy messages made from the IR; imports no Kubernetes objects."""
