"""Changes of headers as policies write them, and as Envoy's filters of headers have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from headgate_proto.envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutation as EarlyHeaderMutation,
)
from headgate_proto.envoy.type.matcher.v3.string_pb2 import StringMatcher
from translator.languages.formats import check_format, literal
from translator.languages.regex import check_regex, fully_matches
from translator.objects.headgate.headers import HeaderChange, HeaderOperations, SetRequestHeader

ACTIONS: Final = {
    "set": HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    "add": HeaderValueOption.APPEND_IF_EXISTS_OR_ADD,
    "add_if_absent": HeaderValueOption.ADD_IF_ABSENT,
}

EARLY: Final = "envoy.http.early_header_mutation.header_mutation"
STATUS: Final = ":status"
"""The only pseudo-header that the filter removes, if a match is for it: a response without it is an error."""


class Change(NamedTuple):
    """A change of a header.

    Attributes:
        way: the list that it is in, of `WAYS`.
        name: the name of the header, in lower case.
        value: the format of its value.
    """

    way: str
    name: str
    value: str = ""

    def message(self) -> HeaderMutation:
        """Return the ``HeaderMutation``."""
        if self.way == "remove":
            return HeaderMutation(remove=self.name)
        made = HeaderMutation()
        made.append.header.key, made.append.header.value = self.name, self.value
        made.append.append_action = ACTIONS[self.way]
        made.append.keep_empty_value = not self.value
        return made


class NameMatch(NamedTuple):
    """A match of the names of headers, in lower case, that are removed."""

    member: str
    value: str

    def message(self) -> HeaderMutation:
        """Return the ``HeaderMutation``."""
        found = self._for_names()
        matcher = StringMatcher(ignore_case=found.member != "regex")
        if found.member == "regex":
            matcher.safe_regex.regex = found.value
        else:
            setattr(matcher, found.member, found.value)
        made = HeaderMutation()
        made.remove_on_match.key_matcher.CopyFrom(matcher)
        return made

    def _for_names(self) -> NameMatch:
        """Return the match without the status of a response, which is no header to users."""
        quoted = "".join(each if each.isalnum() or each in "-_" else f"\\{each}" for each in self.value)
        if self.member == "regex":
            return NameMatch("regex", f"(?i){self.value}")
        if self.member == "suffix" and STATUS.endswith(self.value.lower()):
            return NameMatch("regex", f"(?i)([^:].*)?{quoted}")
        if self.member == "contains" and self.value.lower() in STATUS:
            return NameMatch("regex", f"(?i)([^:].*)?{quoted}.*")
        return self


Mutations = tuple[Change | NameMatch, ...]


def change_early(manager: HttpConnectionManager, changes: Mutations) -> None:
    """Have headers of requests changed before anything else reads them."""
    made = EarlyHeaderMutation(mutations=[each.message() for each in changes])
    manager.early_header_mutation_extensions.add(name=EARLY).typed_config.Pack(made, deterministic=True)


def match_fault(direction: str, member: str, value: str) -> str | None:
    """Return what is wrong with a match of names, and the way out."""
    if member != "regex":
        return "must not begin with a colon: no header does; remove that" if value.startswith(":") else None
    fault = check_regex(value)
    if fault is None and direction == "response" and fully_matches(f"(?i){value}", STATUS):
        fault = f"matches {STATUS} too, which every response needs: begin it with [^:]"
    return fault


def change(way: str, found: HeaderChange | SetRequestHeader) -> Change | str:
    """Return the change that gives a header a value, by the list that it is in; or what is wrong with its format."""
    text = (found.value or "").strip(" \t")
    if not found.format:
        return Change(way, found.name, literal(text))
    if fault := check_format(text):
        return f"is not a format that Envoy takes: {fault}"
    return Change(way, found.name, text)


class Fault(NamedTuple):
    """What is wrong with a change.

    Attributes:
        path: the path of the value below the changes.
        text: what is wrong, and the way out.
    """

    path: str
    text: str


def read_changes(direction: str, found: HeaderOperations) -> Iterator[Change | NameMatch | Fault]:
    """Yield the changes of the headers of a `direction`, request or response, in the order in which they are made."""
    for place, match in enumerate(found.remove_on_match):
        member, value = match.member
        fault = match_fault(direction, member, value)
        yield Fault(f"removeOnMatch[{place}].{member}", fault) if fault else NameMatch(member, value)
    yield from (Change("remove", each) for each in found.remove)
    for way in ("add_if_absent", "set", "add"):
        alias = type(found).model_fields[way].alias or way
        for each in getattr(found, way):
            made = change(way, each)
            yield Fault(f"{alias}[{each.name}].value", made) if isinstance(made, str) else made
