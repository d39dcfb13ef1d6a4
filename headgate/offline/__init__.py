"""Translation and validation without a running control plane."""
