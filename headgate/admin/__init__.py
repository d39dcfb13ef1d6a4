"""The admin port: its pages, connections and access."""
