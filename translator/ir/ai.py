"""The APIs of AI that clients speak."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from translator.ir.backend import Backend


class ClientApi(Enum):
    """An API that a client speaks: which shape its requests, answers and errors have."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


ANTHROPIC_ENDINGS: Final = ("/messages", "/messages/count_tokens", "/messages/batches")
"""The ends of the paths of Anthropic's API."""


def client_api(path: str) -> ClientApi:
    """Return the API that a request's path is of: Anthropic's by its end, OpenAI's otherwise.

    Args:
        path: the path; a query, and a slash at the end, do not count.
    """
    bare = path.partition("?")[0].rstrip("/")
    return ClientApi.ANTHROPIC if bare.endswith(ANTHROPIC_ENDINGS) else ClientApi.OPENAI


class ModelBackend(NamedTuple):
    """A backend that serves models, beside others of a rule.

    Attributes:
        backend: the backend.
        weight: its share of the requests of its priority.
        priority: lower ones are asked first, the next where they fail.
        model: the model that it is asked for; "" for that of the request.
    """

    backend: Backend
    weight: int = 1
    priority: int = 0
    model: str = ""


PER_USD: Final = 10**6
"""Prices are in millionths of a USD for a million tokens."""


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens of a model cost, in millionths of a USD for a million of them: at most 2,000 USD.

    Attributes:
        input: those of the request.
        output: those of the response.
        cached_input: those of the request that the provider had in a cache; None if they cost what others do.
    """

    input: int
    output: int
    cached_input: int | None = None
