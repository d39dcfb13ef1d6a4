"""Limits that Envoy is told, and that objects are held to. Imports nothing."""

from typing import Final

MAX_REGEX_PROGRAM_SIZE: Final = 32_768
"""RE2's measure of a regular expression's cost. Envoy's default of 100 refuses many an ordinary one."""
