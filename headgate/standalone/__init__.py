"""`headgate run`: Headgate on a folder of YAML, with Envoys of its own."""
