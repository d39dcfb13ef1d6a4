"""Matches of HTTPRoutes in one normal form, and the requests that they take, as the Gateway API says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

Pairs = tuple[tuple[str, str], ...]
EXACT, PREFIX, REGEX = "Exact", "PathPrefix", "RegularExpression"
_UNRESERVED = re.compile("%([0-9A-Fa-f]{2})")


class Asked(NamedTuple):
    """A request, in normal form."""

    path: str
    host: str = "example.com"
    method: str = "GET"
    headers: Pairs = ()
    query: Pairs = ()

    @property
    def target(self) -> str:
        """The path with the query, as it is sent."""
        return self.path + ("?" + "&".join(f"{name}={value}" for name, value in self.query) if self.query else "")


class Value(NamedTuple):
    """What is compared with a header or parameter."""

    name: str
    value: str
    regex: bool

    def takes(self, found: dict[str, str]) -> bool:
        """Whether it is there, with that value."""
        if self.name not in found:
            return False
        return bool(re.fullmatch(self.value, found[self.name])) if self.regex else found[self.name] == self.value


@dataclass(frozen=True)
class Match:
    """A match in normal form: equal ones are equal.

    Attributes:
        kind: the type of the path.
        path: the path; of a prefix without its slash at the end, hence "" for all of them.
        method: the method; "" for any.
        headers: sorted, by lower names.
        query: sorted.
        inside: prefixes that the path must be in besides.
        length: the length that counts for an expression; of other paths it is their own.
    """

    kind: str = PREFIX
    path: str = ""
    method: str = ""
    headers: tuple[Value, ...] = ()
    query: tuple[Value, ...] = ()
    inside: frozenset[str] = frozenset()
    length: int = field(default=0, compare=False)

    def takes(self, asked: Asked) -> bool:
        """Whether a request matches."""
        headers = {name.lower(): value for name, value in asked.headers}
        query = dict(reversed(asked.query))
        return (
            self._takes_path(asked.path)
            and all(lies_in(asked.path, each) for each in self.inside)
            and self.method in ("", asked.method)
            and all(each.takes(headers) for each in self.headers)
            and all(each.takes(query) for each in self.query)
        )

    def _takes_path(self, path: str) -> bool:
        if self.kind == EXACT:
            return path == self.path
        return lies_in(path, self.path) if self.kind == PREFIX else bool(re.fullmatch(self.path, path))

    @property
    def rank(self) -> tuple[int, int, bool, int, int]:
        """Its place in the Gateway API's order: exact paths, expressions, prefixes; longer; methods; more values."""
        kind = (EXACT, REGEX, PREFIX).index(self.kind)
        return kind, -(self.length or len(self.path)), not self.method, -len(self.headers), -len(self.query)


def lies_in(path: str, prefix: str) -> bool:
    """Whether a path is a prefix, or lies below it, by whole elements."""
    return path.rstrip("/") == prefix or path.startswith(f"{prefix}/")


def read(raw: dict[str, Any]) -> Match:
    """Return the match of a manifest."""
    path = raw.get("path", {})
    kind, text = path.get("type", PREFIX), path.get("value", "/")
    if kind != REGEX:
        text = _UNRESERVED.sub(_decoded, text)
    headers: dict[str, Value] = {}
    for each in raw.get("headers", ()):
        headers.setdefault(each["name"].lower(), _value(each)._replace(name=each["name"].lower()))
    return Match(
        kind,
        text.rstrip("/") if kind == PREFIX else text,
        raw.get("method", ""),
        tuple(sorted(headers.values())),
        tuple(sorted(_value(each) for each in raw.get("queryParams", ()))),
    )


def _decoded(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else found[0]


def _value(raw: dict[str, Any]) -> Value:
    return Value(raw["name"], raw["value"], raw.get("type", EXACT) == REGEX)


def fitted(parent: Match, own: Match) -> Match | None:
    """Return a child's match under its parent's; None if it does not lie in that."""
    if parent.method not in ("", own.method) or not {*parent.headers} <= {*own.headers}:
        return None
    if not {*parent.query} <= {*own.query}:
        return None
    if own.kind == REGEX:
        return replace(own, inside=own.inside | {parent.path})
    return own if lies_in(own.path, parent.path) else None


def inherited(parent: Match, own: Match) -> Match:
    """Return a child's match that inherits its parent's."""
    headers = {each.name: each for each in own.headers} | {each.name: each for each in parent.headers}
    query = {each.name: each for each in own.query} | {each.name: each for each in parent.query}
    made = Match(
        own.kind,
        parent.path + own.path,
        parent.method or own.method,
        tuple(sorted(headers.values())),
        tuple(sorted(query.values())),
    )
    if own.kind == REGEX:
        path, length = f"{re.escape(parent.path)}(?:{own.path})", len(made.path)
        return replace(made, path=path, length=length, inside=frozenset((parent.path,)))
    return replace(made, path=parent.path or "/") if own.kind == EXACT and own.path == "/" else made
