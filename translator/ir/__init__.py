"""What proxies shall do, in terms of neither Kubernetes nor Envoy."""
