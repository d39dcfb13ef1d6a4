"""Informers: the objects of a cluster as sources, by list and watch."""
