"""Envoy as a child: the binary, its bootstrap, and one process kept running per Gateway."""
