"""Envoy as a child process: the binary, its bootstrap, and one supervised process for each Gateway."""
