"""Access logs that a proxy writes to files, and the policies that ask for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.live.objects import Manifest, listener_policy

WITHIN = 15.0
"""Seconds within which Envoy is to write a line, however busy the machine is."""


FILTERS: list[tuple[str, Manifest, list[str]]] = [
    ("status", {"statusCodeFilter": {"op": "GE", "value": 500}}, ["/503"]),
    ("not", {"statusCodeFilter": {"op": "NE", "value": 200}}, ["/404", "/503", "/missing"]),
    ("most", {"statusCodeFilter": {"op": "LE", "value": 404}}, ["/200", "/404", "/missing"]),
    ("equal", {"statusCodeFilter": {"op": "EQ", "value": 404}}, ["/404", "/missing"]),
    ("duration", {"durationFilter": {"op": "GE", "value": 3_600_000}}, []),
    ("header", {"headerFilter": {"header": {"name": "X-Path", "value": "/200"}}}, ["/200"]),
    (
        "expression",
        {"headerFilter": {"header": {"name": "x-path", "value": "/[0-9]+", "type": "RegularExpression"}}},
        ["/200", "/404", "/503"],
    ),
    ("flag", {"responseFlagFilter": {"flags": ["NR"]}}, ["/missing"]),
    ("any flag", {"responseFlagFilter": {}}, ["/missing"]),
    ("grpc", {"grpcStatusFilter": {"statuses": ["UNAVAILABLE"]}}, ["/503"]),
    ("other grpc", {"grpcStatusFilter": {"statuses": ["UNAVAILABLE"], "exclude": True}}, ["/200", "/404", "/missing"]),
    ("cel", {"celFilter": {"match": "response.code == 404 && xds.route_name != ''"}}, ["/404"]),
    ("none of them", {"runtimeFilter": {"percentSampled": 0}}, []),
    ("all of them", {"runtimeFilter": {"percentSampled": 100}}, ["/200", "/404", "/503", "/missing"]),
    ("traces", {"traceableFilter": True}, []),
    ("health", {"notHealthCheckFilter": True}, ["/200", "/404", "/503", "/missing"]),
    (
        "and",
        {"andFilter": [{"statusCodeFilter": {"op": "EQ", "value": 404}}, {"responseFlagFilter": {}}]},
        ["/missing"],
    ),
    (
        "or",
        {"orFilter": [{"statusCodeFilter": {"op": "EQ", "value": 503}}, {"responseFlagFilter": {}}]},
        ["/503", "/missing"],
    ),
]
"""Filters, each with those of the paths /200, /404, /503 and /missing whose requests it takes.

The statuses are the names of the paths, but for the last, which has no route; X-Path has the path.
"""


class LogFile:
    """A file with an access log, each line of which is JSON unless a test reads texts.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = 0

    def skip(self) -> None:
        """Leave out all lines that are there."""
        self._seen = len(self._texts())

    async def texts(self, count: int = 1) -> list[str]:
        """Wait until there are so many lines beyond those that were returned or left out; return all of these."""
        async with asyncio.timeout(WITHIN):
            while len(found := self._texts()[self._seen :]) < count:  # noqa: ASYNC110 - nothing tells of a line
                await asyncio.sleep(0.01)
        self._seen += len(found)
        return found

    async def lines(self, count: int = 1) -> list[dict[str, Any]]:
        """Return what `texts` does, parsed."""
        return [json.loads(each) for each in await self.texts(count)]

    async def find(self, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a line; return it, and leave out all up to it."""
        while True:
            for place, text in enumerate(found := await self.texts()):
                if accept(line := json.loads(text)):
                    self._seen -= len(found) - place - 1
                    return dict(line)

    def _texts(self) -> list[str]:
        if not self.path.is_file():
            return []
        return self.path.read_text(errors="replace").splitlines()


def text_log(text: str, **fields: Any) -> Manifest:
    """Return a log to the standard output, each line of which is a text."""
    return {"fileSink": {"stringFormat": text}, **fields}


def logs(*found: Manifest, name: str = "logs") -> Manifest:
    """Return a policy with logs of requests for the Gateway."""
    return listener_policy(name=name, httpSettings={"accessLog": list(found)})
