"""The commands: each module's `command` declares its options and hands over to the module that does the work."""
