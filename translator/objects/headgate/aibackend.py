"""Backends that are providers of AI."""

from typing import Annotated, Final, Literal

from pydantic import Field

from translator.objects.headgate.aiproviders import AiProvider
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc

MOST_PROVIDERS: Final = 16
"""The most providers of a Backend."""


class AiBackend(Fields):
    """Providers of AI: one after the other, or side by side."""

    providers: Annotated[
        tuple[AiProvider, ...],
        Field(min_length=1, max_length=MOST_PROVIDERS),
        unique("name", "must not be there twice: rename one of them"),
    ]
    """The providers. A request that fails at one is sent to the next."""
    usage: Annotated[
        Literal["Always", "AsAsked"] | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters", default="Always")
    ] = None
    """Whether streams of OpenAI's API end with their numbers of tokens though clients do not ask for that, without
    which they are not counted."""
