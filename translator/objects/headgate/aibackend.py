"""Backends that are providers of AI."""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.aiproviders import AiProvider
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import FAILURE, Count, PositiveMilliseconds

MOST_PROVIDERS: Final = 16
"""The most providers of a Backend."""
MOST_AI_ATTEMPTS: Final = 16
"""The most attempts of a request to providers."""
EJECTION_FAILURES: Final = 5
"""How many failures in a row have a provider spared, where nobody says it."""
EJECTION_MILLISECONDS: Final = 30_000
"""How long it is spared the first time, where nobody says it."""

FailureName = Annotated[str, StringConstraints(pattern=FAILURE)]


class ProviderEjection(Fields):
    """Spares providers that keep failing, while another one can stand in: those of the last priority never."""

    consecutive: Annotated[Count | None, Doc(envoy="OutlierDetection.consecutive_5xx", default="5")] = None
    """How many failures in a row it takes: statuses of 500 and above, and connections that fail; with 0 none are
    spared."""
    time: Annotated[PositiveMilliseconds | None, Doc(envoy="OutlierDetection.base_ejection_time", default="30s")] = None
    """How long the provider gets no requests the first time; each further time it is longer by that."""


class ProviderFailures(Fields):
    """Which requests are sent to another provider, and which providers are spared."""

    retry_on: Annotated[
        tuple[FailureName, ...] | None,
        Field(min_length=1, max_length=16),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="RetryPolicy.retry_on", default="5xx, connect-failure, reset, 429"),
    ] = None
    """The failures after which another provider is tried: `5xx`, `gateway-error` (502 to 504), `connect-failure`,
    `reset`, and statuses."""
    attempts: Annotated[
        int | None,
        Field(strict=True, ge=1, le=MOST_AI_ATTEMPTS),
        Doc(envoy="RetryPolicy.num_retries", default="one for each priority"),
    ] = None
    """How often a request is sent at most, the first time included. Those beyond the number of priorities go to the
    last."""
    per_try_timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="RetryPolicy.per_try_timeout")] = None
    """How long an attempt may take until its answer begins. By default there is no limit."""
    ejection: ProviderEjection | None = None
    """When providers are spared."""


class AiBackend(Fields):
    """Providers of AI: one after the other, or side by side."""

    providers: Annotated[
        tuple[AiProvider, ...],
        Field(min_length=1, max_length=MOST_PROVIDERS),
        unique("name", "must not be there twice: rename one of them"),
    ]
    """The providers. A request that fails at one is sent to the next."""
    failover: ProviderFailures | None = None
    """When a request is sent to the next. The retries of a rule, or of a policy, take its place."""
    usage: Annotated[
        Literal["Always", "AsAsked"] | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters", default="Always")
    ] = None
    """Whether streams of OpenAI's API end with their numbers of tokens though clients do not ask for that, without
    which they are not counted."""
