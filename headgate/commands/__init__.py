"""The subcommands: each module's `command` declares its options and calls the module that implements it.

These modules are imported when a command runs, not before, so that help and shell completion are quick.
"""
