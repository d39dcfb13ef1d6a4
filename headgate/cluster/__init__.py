"""`headgate controller`: Headgate as the control plane of a cluster."""
