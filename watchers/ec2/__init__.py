"""Discovery of instances of Amazon EC2: asks AWS which ones run that have given tags."""
