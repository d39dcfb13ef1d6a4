"""The process: addresses, ports, signals, errors."""
