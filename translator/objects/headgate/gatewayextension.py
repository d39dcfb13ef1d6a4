"""GatewayExtension: a provider of authentication, limits or processing that policies share."""

from typing import ClassVar, Final

from translator.api_group import GROUP
from translator.objects.headgate.authorizers import ExtAuthProvider
from translator.objects.headgate.extprocprovider import ExternalProcessor
from translator.objects.headgate.firewalls import WafProvider
from translator.objects.headgate.jwt import JwtExtension
from translator.objects.headgate.members import OneMember
from translator.objects.headgate.oauth2 import OAuth2Extension
from translator.objects.headgate.ratelimitproviders import RateLimitProvider, RateLimitQuotaProvider
from translator.objects.schema.base import NamespacedObject

MEMBERS: Final[tuple[str, ...]] = ("ext_auth", "ext_proc", "jwt", "oauth2", "rate_limit", "rate_limit_quota", "waf")
"""The members, by their names in the model: exactly one is set."""


class GatewayExtensionSpec(OneMember):
    """What the extension provides: one of its members."""

    members: ClassVar[tuple[str, ...]] = MEMBERS

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
    waf: WafProvider | None = None
    """A service that inspects requests for attacks."""


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
