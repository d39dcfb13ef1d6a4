"""Sources of objects: what brings them in from files or from Kubernetes, and what carries their status out."""
