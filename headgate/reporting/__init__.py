"""Reports for people: conditions, findings, tables and log lines."""
