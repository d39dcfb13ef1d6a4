"""The admin server: endpoints, connections and access control."""
