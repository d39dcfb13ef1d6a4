"""The control plane: evaluation of changes, publication of snapshots and statuses, ACKs and NACKs of proxies."""
