"""Permission to refer to objects, and to attach to them, from other namespaces."""
