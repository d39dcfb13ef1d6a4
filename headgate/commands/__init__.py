"""The subcommands: each module's `command` declares its options and calls the module that implements it.

These modules are imported when a command runs, not before, so that help and shell completion are quick.
"""

from headgate.process.lean_imports import import_without

# It would load rich, with pygments, to draw tracebacks that Headgate does not log: 4 MB in each process.
import_without("structlog", "rich")
