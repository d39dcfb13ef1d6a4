"""What providers answer: text, tool calls and usage that follow from the request alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CREATED = 1_700_000_000


@dataclass(frozen=True)
class Usage:
    """Tokens: those of the request, of which some may be cached, and those of the answer."""

    input: int
    output: int
    cached: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.input + self.output


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants called."""

    name: str
    arguments: dict[str, Any]
    id: str = "call_1"

    @property
    def json(self) -> str:
        """The arguments as the APIs tell them."""
        return json.dumps(self.arguments)


@dataclass(frozen=True)
class Said:
    """What a model says to one request.

    Attributes:
        model: the model that the request named.
        number: the how manieth request of this provider it is, from 1.
        text: the answer.
        usage: what it costs.
        cut: whether the text ended at the request's limit of tokens.
        tool: the tool to call instead of a text.
    """

    model: str
    number: int
    text: str
    usage: Usage
    cut: bool = False
    tool: ToolCall | None = None

    @property
    def words(self) -> list[str]:
        """The pieces in which a stream carries the text."""
        words = self.text.split(" ")
        return [word if index == 0 else f" {word}" for index, word in enumerate(words)]


@dataclass(frozen=True)
class Whole:
    """An answer at once: JSON, or bytes of another type."""

    body: Any
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        """Return its bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Stream:
    """An answer as server-sent events, each with its blank line, and the event by which this API tells an error."""

    events: tuple[bytes, ...]
    error: bytes = field(default=b"", repr=False)


def sse(data: Any, event: str = "", end: str = "\n\n") -> bytes:
    """Write one server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {text}{end}".encode()


def words(*texts: str) -> int:
    """Count tokens as these providers do: words."""
    return sum(len(text.split()) for text in texts)


def texts_of(content: Any) -> list[str]:
    """Return the texts in the content of a message: a text, or parts of which some have one."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [str(part["text"]) for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return []
