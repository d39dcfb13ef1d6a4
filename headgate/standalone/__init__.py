"""Standalone mode (`headgate run`): a folder of YAML, and Envoys as child processes."""
