"""YAML for reviewers: what is small and fits on a line stands on one line."""

from __future__ import annotations

from typing import Any

import yaml

WIDTH = 118
DEPTH = 3
"""How many collections within each other stand on one line at most."""


def write(value: Any) -> str:
    """Write plain data as a YAML document."""
    return "\n".join(_block(value, WIDTH)) + "\n"


def _lines(value: Any, room: int) -> list[str]:
    flow = _flow(value)
    if len(flow) <= room and _depth(value) <= DEPTH:
        return [flow]
    return _block(value, room)


def _block(value: Any, room: int) -> list[str]:
    if isinstance(value, dict):
        return [line for key, each in value.items() for line in _entry(_flow(key), each, room)]
    if isinstance(value, list):
        return [line for each in value for line in _indented("- ", _lines(each, room - 2))]
    # PyYAML breaks a line behind the first word that is too far out.
    return yaml.safe_dump(value, width=room - 12, allow_unicode=True).removesuffix("...\n").splitlines()


def _entry(key: str, value: Any, room: int) -> list[str]:
    flow = _flow(value)
    if len(key) + 2 + len(flow) <= room and _depth(value) <= DEPTH:
        return [f"{key}: {flow}"]
    block = _block(value, room - 2)
    if isinstance(value, dict):
        return [f"{key}:", *_indented("  ", block)]
    if isinstance(value, list):
        return [f"{key}:", *block]
    return _indented(f"{key}: ", block, 2)


def _indented(first: str, lines: list[str], indent: int | None = None) -> list[str]:
    rest = " " * (len(first) if indent is None else indent)
    return [f"{first if not place else rest}{line}" for place, line in enumerate(lines)]


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    members = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, members), default=0)
