"""Sources of objects, in files and in Kubernetes, and the controllers that write statuses and proxies."""
