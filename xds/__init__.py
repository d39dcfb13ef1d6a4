"""The xDS management server; knows nothing of Kubernetes."""
