"""The controller of finalizers."""
