"""The frame of all that writes to a cluster: work queue, workers, back-off, leader election."""
