"""A cluster as a source of objects: its API server is asked for what is there, and followed from then on."""
