"""A cluster as a source of objects: lists and watches."""
