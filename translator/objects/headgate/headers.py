"""The units of TrafficPolicies that change headers, hosts and paths of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.types import Disableable, Regex, StringMatch
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ALL_CHANGEABLE, ChangeableHeader
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import (
    HOST,
    SUBSTITUTION,
    Boolean,
    DataKey,
    HeaderName,
    HeaderValue,
    ObjectName,
)

Host = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOST)]
"""A hostname, with a port if it has one."""

_TWICE: Final = "has the header name of an earlier entry: put the values into one, with commas between them"
_AGAIN: Final = "is in the list already: remove it"


class SecretKeyReference(Fields):
    """A key of a Secret in the policy's namespace."""

    name: ObjectName
    """The name of the Secret."""
    key: DataKey
    """The key in its `data`."""


class HeaderChange(CheckedFields):
    """A header and its value."""

    name: ChangeableHeader
    """The name of the header; upper and lower case are the same."""
    value: HeaderValue
    """The value; it is taken literally, unless `format` is true."""
    format: Boolean | None = None
    """Whether the value is a format of Envoy's, in which `%COMMANDS%` stand for parts of the request or response. By
    default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield no violation: a format is checked where it is read."""
        yield from ()


class SetRequestHeader(CheckedFields):
    """A header of requests, and its value or the key of a Secret that holds it."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.value) != has(self.secretRef)", "must have either value or secretRef"),
        CelRule(
            "!has(self.secretRef) || !has(self.format) || !self.format",
            "format must not be true beside secretRef: a Secret's value is taken literally",
        ),
    )

    name: ChangeableHeader
    """The name of the header; upper and lower case are the same."""
    value: HeaderValue | None = None
    """The value; it is taken literally, unless `format` is true."""
    secret_ref: Annotated[SecretKeyReference | None, ATOMIC] = None
    """A key of a Secret, whose value is the header's. Routes respond with 500 while there is none."""
    format: Boolean | None = None
    """Whether the value is a format of Envoy's, in which `%COMMANDS%` stand for parts of the request. By default
    false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one of value and secretRef is set."""
        if (self.value is None) == (self.secret_ref is None):
            yield FieldViolation((), "must have either value or secretRef")
        if self.secret_ref is not None and self.format:
            yield FieldViolation(("format",), "must not be true beside secretRef: a Secret's value is taken literally")


HeaderChanges = Annotated[tuple[HeaderChange, ...], Field(max_length=32), unique("name", _TWICE), ByKey("name")]
SetRequestHeaders = Annotated[tuple[SetRequestHeader, ...], Field(max_length=32), unique("name", _TWICE), ByKey("name")]
HeaderNames = Annotated[tuple[HeaderName, ...], Field(max_length=32), ALL_CHANGEABLE, unique(None, _AGAIN), ByKey()]
HeaderMatches = Annotated[tuple[StringMatch, ...], Field(max_length=16)]

WAYS: Final = ("set", "add", "add_if_absent", "remove")
"""The lists of which one may name a header."""


def _one_way() -> Iterator[CelRule]:
    """Yield the rules that a header is in one list only; the names in `remove` are texts, in the others fields."""
    lists = {"set": ".name", "add": ".name", "addIfAbsent": ".name", "remove": ""}
    pairs = [(one, other) for place, one in enumerate(lists) for other in [*lists][place + 1 :]]
    for one, other in pairs:
        same = f"a{lists[one]}.lowerAscii() == b{lists[other]}.lowerAscii()"
        yield CelRule(
            f"!has(self.{one}) || !has(self.{other}) || !self.{one}.exists(a, self.{other}.exists(b, {same}))",
            f"a header must not be in both {one} and {other}: leave it in one of them",
        )


class HeaderOperations(CheckedFields):
    """Changes of headers; a header is changed in one way, that of the most specific policy that names it."""

    rules: ClassVar[tuple[CelRule, ...]] = (*_one_way(),)
    one_of_items: ClassVar[tuple[tuple[str, ...], ...]] = (WAYS,)

    add: Annotated[HeaderChanges, Doc(envoy="HeaderMutationPerRoute.mutations, APPEND_IF_EXISTS_OR_ADD")] = ()
    """Headers that get a value beside those that they have."""
    add_if_absent: Annotated[HeaderChanges, Doc(envoy="HeaderMutationPerRoute.mutations, ADD_IF_ABSENT")] = ()
    """Headers that get a value if they have none."""
    remove: Annotated[HeaderNames, Doc(envoy="HeaderMutationPerRoute.mutations, remove")] = ()
    """Headers that are removed."""
    remove_on_match: Annotated[HeaderMatches, Doc(envoy="HeaderMutationPerRoute.mutations, remove_on_match")] = ()
    """Matches of the names of headers that are removed; upper and lower case are the same."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each header that is changed in more than one way."""
        return _changed_twice(self)


class RequestHeaderModifier(HeaderOperations):
    """Changes of headers of requests."""

    set: Annotated[SetRequestHeaders, Doc(envoy="HeaderMutationPerRoute.mutations, OVERWRITE_IF_EXISTS_OR_ADD")] = ()
    """Headers that get a value in place of all values that they have."""


class ResponseHeaderModifier(HeaderOperations):
    """Changes of headers of responses."""

    set: Annotated[HeaderChanges, Doc(envoy="HeaderMutationPerRoute.mutations, OVERWRITE_IF_EXISTS_OR_ADD")] = ()
    """Headers that get a value in place of all values that they have."""


def _changed_twice(found: HeaderOperations) -> Iterator[FieldViolation]:
    earlier: dict[str, str] = {}
    for way in WAYS:
        for place, each in enumerate(getattr(found, way)):
            name = each if isinstance(each, str) else each.name
            alias = type(found).model_fields[way].alias or way
            if name in earlier:
                yield FieldViolation((alias, place), f"is in {earlier[name]} too: leave {name} in one of them")
            earlier.setdefault(name, alias)


class HeaderModifiers(Fields):
    """Changes of the headers of requests and responses."""

    request: RequestHeaderModifier | None = None
    """Changes of headers on the way to the backend."""
    response: ResponseHeaderModifier | None = None
    """Changes of headers on the way to the client, of responses of the proxy itself too."""


class RegexRewrite(Fields):
    """A replacement of what a regular expression matches."""

    pattern: Regex
    """The regular expression, of RE2."""
    substitution: Annotated[str, StringConstraints(max_length=1024, pattern=SUBSTITUTION)]
    """What stands in place of each match; `\\1` to `\\9` are groups of the expression, `\\0` is the match."""


class AutoHost(Fields):
    """The name of the backend; it is written ``{}``."""


_MEMBERS: Final = ("auto", "header", "literal", "path_regex")


class HostRewrite(Disableable):
    """What the Host of requests becomes on the way to the backend: one of the members."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "disable",
            "auto",
            "header",
            "literal",
            "pathRegex",
            message="exactly one of auto, header, literal, pathRegex and disable must be set",
        ),
    )
    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (_MEMBERS,)

    auto: Annotated[AutoHost | None, Doc(envoy="RouteAction.auto_host_rewrite")] = None
    """The DNS name of the backend: of one whose endpoints are addresses, Host stays as it is."""
    header: Annotated[ChangeableHeader | None, Doc(envoy="RouteAction.host_rewrite_header")] = None
    """The value of a header of the request; without that header, Host stays as it is."""
    literal: Annotated[Host | None, Doc(envoy="RouteAction.host_rewrite_literal")] = None
    """A hostname."""
    path_regex: Annotated[RegexRewrite | None, ATOMIC, Doc(envoy="RouteAction.host_rewrite_path_regex")] = None
    """The path of the request, without its query, after a replacement. The pattern has to match the whole path: what it
    does not match is part of the Host."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        given = [name for name in (*_MEMBERS, "disable") if getattr(self, name) is not None]
        if len(given) != 1:
            aliases = ", ".join(type(self).model_fields[each].alias or each for each in given)
            found = f"; set are: {aliases}" if given else ""
            yield FieldViolation((), f"must have exactly one of auto, header, literal, pathRegex and disable{found}")


class UrlRewrite(Fields):
    """What the path of requests becomes on the way to the backend; the query stays."""

    path_regex: Annotated[
        RegexRewrite | None, ATOMIC, Doc(envoy="RouteAction.regex_rewrite", attach="routes and their rules")
    ] = None
    """A replacement of each match of a regular expression in the path."""
