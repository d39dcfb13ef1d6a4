"""Expressions in CEL that Envoy evaluates in the values of headers (the command ``%CEL(…)%``)."""

from __future__ import annotations

import string

_PLAIN = frozenset(string.ascii_letters + string.digits + "-._ ,:/*")


def text(value: str) -> str:
    """Write a string literal; what would end it, or the command that it is in, is escaped."""
    return "'" + "".join(each if each in _PLAIN else f"\\u{ord(each):04x}" for each in value) + "'"


def value_if(condition: str, value: str) -> str:
    """Write the value of a header: `value`, an expression, where `condition` holds; Envoy leaves out what is empty."""
    return f"%CEL({condition} ? {value} : '')%"
