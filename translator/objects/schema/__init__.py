"""The base of all models of objects: fields, scalars, messages."""
