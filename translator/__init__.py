"""Kubernetes objects in, Envoy resources and status conditions out.

Pure and synchronous: this package has no I/O, no clock, no logging and no threads. The same objects always give the
same resources and the same statuses, in whatever order they arrived.
"""
