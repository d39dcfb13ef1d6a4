"""The kinds that a backendRef may name."""
