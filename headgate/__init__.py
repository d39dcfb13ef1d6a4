"""Headgate, the application: command line, settings and wiring.

What it wires has a package of its own: `xds` serves, `translator` derives, `watchers` bring objects in.
"""

from importlib import metadata

try:
    __version__ = metadata.version("headgate")
except metadata.PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
