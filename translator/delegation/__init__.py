"""Route delegation: rules of HTTPRoutes whose requests go on to the rules of other HTTPRoutes (ADR 31)."""
