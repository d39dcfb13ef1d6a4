"""How a provider fails, or keeps clients waiting: as its test tells it, one of these for one request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Status:
    """Answers this status, with an error as the vendor's API words it.

    Attributes:
        status: of HTTP.
        message: the error's text; empty for a usual one.
        code: the error's code, where the API has one, or its type.
        retry_after: the header of this name, in seconds.
        body: bytes instead of the vendor's error, as proxies before a provider answer.
    """

    status: int
    message: str = ""
    code: str | None = None
    retry_after: int | None = None
    body: bytes | None = None


@dataclass(frozen=True)
class Cut:
    """Resets the connection: before the first byte, or after so many events; of a whole answer, after its half."""

    after: int = 0


@dataclass(frozen=True)
class ErrorEvent:
    """Tells an error inside of a stream, as the vendor's API does, after so many events, and ends it."""

    after: int = 1


@dataclass(frozen=True)
class Ended:
    """Ends a stream in order, but too early: after so many events."""

    after: int = 1


@dataclass(frozen=True)
class Held:
    """Waits for the test: before the first byte, or after so many events; without an event of the test for ever."""

    until: asyncio.Event = field(default_factory=asyncio.Event)
    after: int = 0


Fault = Status | Cut | ErrorEvent | Ended | Held
