"""What becomes of a request: Envoy's decisions, evaluated on the resources of a Gateway without an Envoy."""
