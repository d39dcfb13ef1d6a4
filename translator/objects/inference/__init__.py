"""Objects of the Gateway API Inference Extension."""
