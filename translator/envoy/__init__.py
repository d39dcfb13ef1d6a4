"""From the IR to Envoy's messages; knows nothing of Kubernetes objects."""
