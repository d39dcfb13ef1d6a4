"""The gRPC server: its streams, and the snapshot that each of them is served."""
