"""Hostnames and how specific they are (Gateway API, `Hostname`, `Listener.hostname` and `HTTPRouteSpec.hostnames`).

A hostname is exact, or ``*.example.com``, which stands for every name with one or more labels before the suffix, or
"" for any.
"""

from __future__ import annotations


def covers(pattern: str, hostname: str) -> bool:
    """Whether every name that `hostname` stands for is one that `pattern` stands for."""
    if pattern.startswith("*."):
        return hostname.endswith(pattern[1:])
    return not pattern or pattern == hostname


def intersect(one: str, other: str) -> str | None:
    """Give the names that both stand for, which is always the narrower of the two, or None where there is none."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def specificity(hostname: str) -> tuple[bool, int]:
    """Give a key by which a more specific hostname is greater: exact beats wildcard, and longer beats shorter."""
    return (bool(hostname) and not hostname.startswith("*."), len(hostname))


def wider(hostname: str) -> tuple[str, ...]:
    """List what covers `hostname`, the narrowest first: itself, its wildcards, and at last "".

    >>> wider("a.example.com")
    ('a.example.com', '*.example.com', '*.com', '')
    """
    if not hostname:
        return ("",)
    labels = hostname.removeprefix("*.").split(".")
    first = 0 if hostname.startswith("*.") else 1
    wildcards = ["*." + ".".join(labels[each:]) for each in range(first, len(labels))]
    return (*(() if hostname.startswith("*.") else (hostname,)), *wildcards, "")
