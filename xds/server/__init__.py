"""The gRPC server: streams, and which snapshot each of them is served."""
