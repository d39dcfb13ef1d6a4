"""Streaming of large JSON documents, with bounded memory, without blocking the event loop.

A part that cannot be encoded is left out, and reported in the document and the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from aiohttp import web

from headgate.observability.encoding import to_json
from xds import FaultLog

PIECE_BYTES = 64 << 10
"""The least size of a write, except for the last."""
TURN_SECONDS = 0.01
"""The time after which encoding yields to the event loop."""


class JsonPart(NamedTuple):
    """A part of a section.

    Attributes:
        name: the name for messages, as "HTTPRoute default/shop"; in a section that is a mapping, the key.
        make: returns the values; in a mapping exactly one.
    """

    name: str
    make: Callable[[], Iterable[Any]]


class JsonSection(NamedTuple):
    """A field of the document: a list or a mapping.

    Attributes:
        name: the name of the field.
        parts: the parts, in order.
        mapping: whether it is a mapping, by the names of the parts.
    """

    name: str
    parts: Iterable[JsonPart]
    mapping: bool = False


class JsonDocument:
    """One document. Its last field is `problems`, a list of texts, with the parts that cannot be encoded."""

    def __init__(
        self, sections: Iterable[JsonSection], problems: Callable[[], Iterable[str]], faults: FaultLog
    ) -> None:
        """Create the document.

        Args:
            sections: the fields, in order.
            problems: returns the other entries of `problems`.
            faults: logs parts that cannot be encoded.
        """
        self._sections = sections
        self._problems = problems
        self._faults = faults
        self._failed: list[str] = []

    def pieces(self) -> Iterator[bytes]:
        """Yield the encoded document."""
        start = b"{"
        for section in self._sections:
            opening, closing = (b"{", b"}") if section.mapping else (b"[", b"]")
            yield start + to_json(section.name) + b":" + opening
            start, between = b",", b""
            for part in section.parts:
                key = to_json(part.name) + b":" if section.mapping else b""
                for value in self._values(part):
                    yield between + key + value
                    between = b","
            yield closing
        problems = self._values(JsonPart("problems", self._problems))
        yield b',"problems":[' + b",".join([*problems, *map(to_json, self._failed)]) + b"]}"

    def _values(self, part: JsonPart) -> list[bytes]:
        try:
            return [to_json(each) for each in part.make()]
        except Exception as error:
            self._faults.tell(f"{part.name} cannot be shown", error)
            self._failed.append(f"A bug in Headgate: {part.name} cannot be shown; see its log")
            return []


async def send(request: web.Request, document: JsonDocument) -> web.StreamResponse:
    """Respond to a request with a document."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    if request.method != "HEAD":
        async for each in _gathered(document.pieces()):
            await response.write(each)
    await response.write_eof()
    return response


async def _gathered(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Join small pieces, and yield to the event loop in between."""
    gathered, since = bytearray(), time.perf_counter()
    for each in pieces:
        gathered += each
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
        if time.perf_counter() - since > TURN_SECONDS:
            await asyncio.sleep(0)
            since = time.perf_counter()
    yield bytes(gathered)
