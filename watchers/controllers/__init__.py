"""The framework of controllers: work queue, worker pool, reconciler with backoff, leader election."""
