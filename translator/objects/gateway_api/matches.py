"""Matches of an HTTPRoute (Gateway API, `apis/v1/httproute_types.go`)."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.scalars import PATH_CHARACTERS, PATTERNS, HeaderName, HeaderValue

HTTPMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

_CHARACTERS: Final = re.compile(PATH_CHARACTERS)
_INNER: Final = ("//", "/./", "/../", "%2f", "%2F", "#")
_ENDS: Final = ("/..", "/.")


class HTTPPathMatch(CheckedFields):
    """Matches the path of a request; by default every one."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, StringConstraints(max_length=1024)] = "/"

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a path, unless a regular expression, that is not absolute and in normal form."""
        if self.type != "RegularExpression":
            for message in _path_violations(self.value):
                yield FieldViolation(("value",), message)


def _path_violations(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield "must start with '/'"
    for part in _INNER:
        if part in path:
            yield f"must not contain '{part}', which no normalised path does"
    for end in _ENDS:
        if path.endswith(end):
            yield f"must not end with '{end}', which no normalised path does"
    if not _CHARACTERS.fullmatch(path) and "#" not in path:
        yield PATTERNS[PATH_CHARACTERS]


class HTTPHeaderMatch(Fields):
    """Matches a header of a request by its value; the name is compared without regard to case."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: HeaderName
    value: HeaderValue


HTTPHeaderMatches = Annotated[
    tuple[HTTPHeaderMatch, ...],
    Field(max_length=16),
    unique("name", "has the header name of an earlier entry: a header is matched once"),
]


class HTTPQueryParamMatch(Fields):
    """Matches a parameter of a request's query by its value."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: HeaderName
    value: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class HTTPRouteMatch(Fields):
    """Matches a request that fulfils all of it."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: HTTPHeaderMatches = ()
    query_params: Annotated[
        tuple[HTTPQueryParamMatch, ...],
        Field(max_length=16),
        unique("name", "has the parameter name of an earlier entry: a parameter is matched once"),
    ] = ()
    method: HTTPMethod | None = None
