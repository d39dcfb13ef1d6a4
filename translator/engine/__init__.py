"""Incremental computation: memoised queries over inputs. Knows nothing of Kubernetes or Envoy."""
