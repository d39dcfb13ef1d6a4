"""Changes of headers by routes, in the order in which Envoy makes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from translator.explain.patterns import extract
from translator.explain.request import Header, Headers, values
from translator.explain.result import HeaderEdit

ACTIONS: Final = {
    HeaderValueOption.APPEND_IF_EXISTS_OR_ADD: "add",
    HeaderValueOption.ADD_IF_ABSENT: "add if absent",
    HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD: "set",
    HeaderValueOption.OVERWRITE_IF_EXISTS: "set if present",
}

MATCHING: Final = "remove if the name"
"""The action of an edit that removes headers by a match of their names; the name of the edit says which."""

_EXTRACTION: Final = re.compile(
    r"%CEL\(re\.extract\(response\.headers\['(?P<name>[^']+)'\], '(?P<pattern>[^']*)', '(?P<substitution>[^']*)'\)\)%"
)


_COMMAND: Final = re.compile(r"%(?:%|REQ\(([A-Za-z0-9_-]+)\)%)")


class ChangesHeaders(Protocol):
    """A message of Envoy's that changes headers: a route, or what contains or divides one."""

    @property
    def request_headers_to_add(self) -> Sequence[HeaderValueOption]:
        """Return the headers to set or add to requests."""

    @property
    def request_headers_to_remove(self) -> Sequence[str]:
        """Return the headers to remove from requests."""

    @property
    def response_headers_to_add(self) -> Sequence[HeaderValueOption]:
        """Return the headers to set or add to responses."""

    @property
    def response_headers_to_remove(self) -> Sequence[str]:
        """Return the headers to remove from responses."""


def request_changes(messages: Iterable[ChangesHeaders]) -> tuple[HeaderEdit, ...]:
    """Return the changes of a request's headers by messages, of which the first changes them first."""
    return tuple(
        change for each in messages for change in changes(each.request_headers_to_remove, each.request_headers_to_add)
    )


def response_changes(messages: Iterable[ChangesHeaders]) -> tuple[HeaderEdit, ...]:
    """Return the changes of a response's headers by messages, of which the first changes them first."""
    return tuple(
        change for each in messages for change in changes(each.response_headers_to_remove, each.response_headers_to_add)
    )


def changes(removed: Iterable[str], added: Iterable[HeaderValueOption]) -> Iterator[HeaderEdit]:
    """Yield the changes of one message: it removes before it adds."""
    for name in removed:
        yield HeaderEdit("remove", name.lower())
    for each in added:
        if each.header.value or each.keep_empty_value:
            yield HeaderEdit(ACTIONS[each.append_action], each.header.key.lower(), each.header.value)


def changed(headers: Headers, made: Iterable[HeaderEdit], request: Headers | None = None) -> Headers:
    """Return headers after changes; what Envoy alone can compute stays as its format.

    Args:
        headers: the headers before.
        made: the changes, in their order.
        request: the headers of the request, for those of a response; None if they are those that change.
    """
    found = list(headers)
    for each in made:
        there = any(header.name == each.name for header in found)
        value = formatted(each.value, found, found if request is None else request)
        if (
            value is None
            or (there and each.action == "add if absent")
            or (each.action == "set if present" and not there)
        ):
            continue
        if each.action == MATCHING or (each.value and not value):  # what a format leaves empty is not written
            continue
        if each.action in ("remove", "set", "set if present"):
            found = [header for header in found if header.name != each.name]
        if each.action != "remove":
            found.append(Header(each.name, value))
    return tuple(found)


def formatted(text: str, headers: Iterable[Header], request: Iterable[Header] = ()) -> str | None:
    """Return the value of a format; None if Envoy leaves the header as it is."""
    extraction = _EXTRACTION.fullmatch(text)
    if extraction is not None:
        found = values(headers, extraction["name"])
        pattern, substitution = (extraction[each].replace("\\\\", "\\") for each in ("pattern", "substitution"))
        return extract(pattern, substitution, found[0]) if found else None

    def command(found: re.Match[str]) -> str:
        sent = values(request, found[1].lower()) if found[1] else []
        return "%" if found[0] == "%%" else "".join(sent[:1])

    return text if is_computed(text) else _COMMAND.sub(command, text)


def is_computed(text: str) -> bool:
    """Return whether Envoy alone can compute the value of a format."""
    return "%" in _COMMAND.sub("", text) and not _EXTRACTION.fullmatch(text)
