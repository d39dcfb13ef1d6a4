"""Backends that are providers of AI."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.aiproviders import AiProvider
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import FIXED
from translator.objects.schema.scalars import FAILURE, Count, HeaderName, PositiveMilliseconds

MOST_PROVIDERS: Final = 16
"""The most providers of a Backend."""
MOST_FORWARDED: Final = 32
"""The most headers of clients that a Backend has its providers get."""
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


CREDENTIALS: Final = ("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key")
"""Headers that no provider gets of clients, but as the credential that it is to be passed."""
_NO_CREDENTIALS: Final = "must not have a header of credentials: remove it, and see passthrough of auth"
_OWN_PREFIXES: Final = ("x-envoy-", "x-headgate-")
_NOT_PASSED: Final = "must not have a header of the connection, Host, or one of Envoy's or Headgate's own: remove it"


class AiBackend(CheckedFields):
    """Providers of AI: one after the other, or side by side."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            f"!has(self.forwardHeaders) || !self.forwardHeaders.exists(x, x.lowerAscii() in {list(CREDENTIALS)})",
            _NO_CREDENTIALS,
            "forwardHeaders",
        ),
        CelRule(
            f"!has(self.forwardHeaders) || !self.forwardHeaders.exists(x, x.lowerAscii() in {sorted(FIXED)} || "
            + " || ".join(f"x.lowerAscii().startsWith('{each}')" for each in _OWN_PREFIXES)
            + ")",
            _NOT_PASSED,
            "forwardHeaders",
        ),
    )

    providers: Annotated[
        tuple[AiProvider, ...],
        Field(min_length=1, max_length=MOST_PROVIDERS),
        unique("name", "must not be there twice: rename one of them"),
    ]
    """The providers. A request that fails at one is sent to the next."""
    failover: ProviderFailures | None = None
    """When a request is sent to the next. The retries of a rule, or of a policy, take its place."""
    forward_headers: Annotated[
        tuple[HeaderName, ...] | None,
        Field(min_length=1, max_length=MOST_FORWARDED),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="Lua in HttpProtocolOptions.http_filters"),
    ] = None
    """Headers of clients that providers get besides those of their APIs. All others are removed, those of credentials
    in any case."""
    usage: Annotated[
        Literal["Always", "AsAsked"] | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters", default="Always")
    ] = None
    """Whether streams of OpenAI's API end with their numbers of tokens though clients do not ask for that, without
    which they are not counted."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of each header that is of credentials, of the connection or of the proxy."""
        for place, each in enumerate(self.forward_headers or ()):
            name = each.lower()
            if name in CREDENTIALS:
                yield FieldViolation(("forwardHeaders", place), _NO_CREDENTIALS)
            elif name in FIXED or name.startswith(_OWN_PREFIXES):
                yield FieldViolation(("forwardHeaders", place), _NOT_PASSED)
