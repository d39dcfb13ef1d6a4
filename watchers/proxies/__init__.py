"""Applies the manifests of the Gateways' proxies."""
