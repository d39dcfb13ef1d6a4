"""How the proxies of a Gateway are deployed: GatewayParameters and Gateway in, Kubernetes manifests out, as queries."""
