"""Kubernetes objects in, Envoy resources and status conditions out.

Pure and synchronous: nothing in this package does I/O, reads a clock, writes a log or runs a thread. The same objects
always give the same resources and the same status, whatever the order in which they arrived.
"""
