"""The intermediate representation (IR), in terms of neither Kubernetes nor Envoy."""
