"""GatewayExtension: a provider of authentication, limits or processing that policies share."""

from collections.abc import Iterator
from typing import ClassVar, Final

from translator.api_group import GROUP
from translator.objects.headgate.authorizers import ExtAuthProvider
from translator.objects.headgate.extprocprovider import ExternalProcessor
from translator.objects.headgate.jwt import JwtExtension
from translator.objects.headgate.oauth2 import OAuth2Extension
from translator.objects.headgate.ratelimitproviders import RateLimitProvider, RateLimitQuotaProvider
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, NamespacedObject

MEMBERS: Final[tuple[str, ...]] = ("ext_auth", "ext_proc", "jwt", "oauth2", "rate_limit", "rate_limit_quota")
"""The members, by their names in the model: exactly one is set."""


def _alias(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


_ALIASES: Final = tuple(_alias(each) for each in MEMBERS)
_ONE: Final = f"exactly one of {', '.join(_ALIASES)} must be set"


class GatewayExtensionSpec(CheckedFields):
    """What the extension provides: one of its members."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(f"[{', '.join(f'has(self.{each})' for each in _ALIASES)}].filter(x, x).size() == 1", _ONE),
    )

    ext_auth: ExtAuthProvider | None = None
    """A service that is asked whether requests are allowed."""
    ext_proc: ExternalProcessor | None = None
    """An external processor of requests and responses."""
    jwt: JwtExtension | None = None
    """Issuers of tokens, for `jwtAuth`."""
    oauth2: OAuth2Extension | None = None
    """A provider where browsers log in."""
    rate_limit: RateLimitProvider | None = None
    """A service that holds limits for all proxies together."""
    rate_limit_quota: RateLimitQuotaProvider | None = None
    """A service that assigns shares of limits to proxies."""

    @property
    def member(self) -> str:
        """The name of the member that is set, in the model."""
        return next(each for each in MEMBERS if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if sum(getattr(self, each) is not None for each in MEMBERS) != 1:
            yield FieldViolation((), f"{_ONE}: add it, or remove the others")


class GatewayExtension(NamespacedObject):
    """A provider that policies of several places share."""

    kind = "GatewayExtension"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "gatewayextensions"
    has_schema_defaults = False
    rbac_reason = "Read the providers that policies share."
    named_by = "extensionRef of a TrafficPolicy"
    short_names = ("gwext",)

    spec: GatewayExtensionSpec
