"""The queries that end in xDS resources."""
