"""The exchange of proxy states between replicas."""
