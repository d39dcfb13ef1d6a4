"""What all models of objects have in common: fields, scalars, messages."""
