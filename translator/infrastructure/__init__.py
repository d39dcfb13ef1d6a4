"""Deployment of proxies as queries: Gateways and GatewayParameters in, manifests out."""
