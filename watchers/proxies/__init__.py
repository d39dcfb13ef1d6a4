"""Deployment of the Gateways' proxies: applies, repairs and prunes their manifests."""
