"""Headgate, the application: command line, settings and wiring.

It wires three other packages: `watchers` reads objects, `translator` translates them, `xds` serves the resources.
"""

from importlib import metadata

try:
    __version__ = metadata.version("headgate")
except metadata.PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
