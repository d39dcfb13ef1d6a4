"""The commands: each module's `command` declares its options and hands over to the module that does the work.

Those modules are imported when a command runs, not before: help and shell completion should be quick.
"""
