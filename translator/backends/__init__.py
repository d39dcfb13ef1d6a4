"""What a backendRef may name."""
