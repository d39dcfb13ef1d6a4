"""What is inspected and what comes of it, and both as bytes, between the service and the processes that inspect.

A message is its lengths, a JSON object and the bytes of a body. Texts of headers are Latin-1: they may have any byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

Headers = tuple[tuple[str, str], ...]
LENGTHS: Final = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class InspectedResponse:
    """A response that is inspected.

    Attributes:
        status: its status.
        headers: its headers.
    """

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Inspection:
    """A request that is inspected, or the response to one.

    Attributes:
        profile: the text of the profile.
        method: the method.
        uri: the path and query, as they are sent.
        version: the version of HTTP, such as "1.1" or "2".
        headers: the headers of the request.
        client: the IP address of the client.
        port: its port.
        truncated: whether there is more of the body than is given.
        response: the response, if that is inspected; the body is then its body.
    """

    profile: str
    method: str
    uri: str
    version: str
    headers: Headers
    client: str
    port: int = 0
    truncated: bool = False
    response: InspectedResponse | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that has matched.

    Attributes:
        rule: its id.
        severity: 0 (emergency) to 7.
        message: what it looks for.
        data: what it has found, which may be a secret.
    """

    rule: int
    severity: int
    message: str
    data: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of an inspection.

    Attributes:
        status: the status of the response to a request that is refused; 0 if it is not.
        matches: the rules that have matched.
        seconds: how long it took.
        cpu: how much of that the process worked, and did not wait for a core.
        error: why nothing was inspected: the profile is not valid; "" if it was.
    """

    status: int = 0
    matches: tuple[Match, ...] = ()
    seconds: float = 0.0
    cpu: float = field(default=0.0, compare=False, kw_only=True)
    error: str = ""


def frame(found: Inspection | Verdict, body: bytes = b"") -> bytes:
    """Return a message."""
    header = orjson.dumps(found)
    return LENGTHS.pack(len(header), len(body)) + header + body


def read_inspection(header: bytes) -> Inspection:
    """Read an inspection from the JSON of a message."""
    found: dict[str, Any] = orjson.loads(header)
    response = found.pop("response")
    if response is not None:
        response = InspectedResponse(response["status"], _pairs(response["headers"]))
    return Inspection(**{**found, "headers": _pairs(found["headers"]), "response": response})


def read_verdict(header: bytes) -> Verdict:
    """Read a verdict from the JSON of a message."""
    found: dict[str, Any] = orjson.loads(header)
    return Verdict(**{**found, "matches": tuple(Match(**each) for each in found["matches"])})


def _pairs(found: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in found)
