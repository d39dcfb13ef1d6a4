"""Access logs that a proxy writes to files, and the policies that ask for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

WITHIN = 15.0
"""Seconds within which Envoy is to write a line, however busy the machine is."""


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
