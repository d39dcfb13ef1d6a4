"""Limits that all proxies hold together (`rateLimit.global`), and the services that are asked (`rateLimit`).

The limit travels in the request: the service needs a configuration of nothing but the domain. The filters are whole in
their slot; a rule in the shadow is in one of its own, before the other, so that it counts what that refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RateLimit as Limit
from headgate_proto.envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2 import (
    Config as HeaderToMetadata,
)
from headgate_proto.envoy.extensions.filters.http.ratelimit.v3.rate_limit_pb2 import RateLimit
from headgate_proto.envoy.type.v3 import ratelimit_unit_pb2
from headgate_proto.envoy.type.v3.http_status_pb2 import StatusCode
from translator.backends.rate_limit_service import own_service
from translator.envoy import http_filters
from translator.envoy.ai.usage import NAMESPACE
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.hooks import FilterHook
from translator.extension import FilterOutcome, PolicyContext
from translator.extensions.client_selectors import (
    PAYLOAD,
    claim_action,
    expression_action,
    saving_filter,
    selector_entries,
    selector_problems,
)
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.objects.headgate.clientselectors import ClientSelector
from translator.objects.headgate.globallimit import (
    Cost,
    Descriptor,
    DescriptorEntry,
    GlobalRateLimit,
    GlobalRule,
    MetadataReference,
    RequestCosts,
    ResponseCost,
)
from translator.objects.headgate.ratelimitproviders import DOMAIN, RateLimitProvider
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext, ProviderKind, named_extension, provider_of
from translator.refs import Ref

MEMBER: Final = "rate_limit"
FILTER: Final = "headgate.rate_limit.rules"
SAVING: Final = "headgate.rate_limit.saving"
SHADOW: Final = "headgate.rate_limit.shadow"
TIMEOUT: Final = 100
"""How long a service may take by default, in milliseconds."""
OWNER_KEY: Final = "headgate"
"""The key of the first entry of a descriptor: its value has policies never share counts."""
ROUTE_KEY: Final = "route"
ROUTE: Final = r"re.extract(xds.route_name, '^([^/]+/[^/]+/[^/]+)/.*$', '\\1')"
"""The object that a route of Envoy is of: routes inherit the filters of Gateways, which so tell them apart."""
USAGE: Final = {"InputTokens": "input", "OutputTokens": "output", "TotalTokens": "total", "MicroUSD": "micro_usd"}
"""The keys of the metadata in which it is told what a model has used."""
HEADERS: Final = {None: Limit.UNSPECIFIED, "Off": Limit.OFF, "DraftVersion03": Limit.DRAFT_VERSION_03}


@dataclass(frozen=True, slots=True)
class RateLimitService:
    """A service that is asked.

    Attributes:
        call: how it is called.
        domain: the domain of descriptors.
        is_own: whether it is Headgate's, which knows no limits but those that it is told.
        fails_open: whether requests are served while it does not answer.
        timeout: how long it may take, in milliseconds.
        tells_limits: whether responses have the headers of limits.
        tells_when: whether refusals have the header Retry-After.
        status: the status of refusals.
    """

    call: GrpcCall
    domain: str = DOMAIN
    is_own: bool = False
    fails_open: bool = True
    timeout: int = TIMEOUT
    tells_limits: bool = False
    tells_when: bool = False
    status: int = 429


@dataclass(frozen=True, slots=True)
class GlobalLimits(RuleSetting, FilterHook):
    """Limits, each as a serialised message.

    Attributes:
        service: the service that is asked.
        enforced: limits, and descriptors of limits that the service has.
        shadowed: limits that are only counted.
        saving: what is saved of requests for limits that look at them when they have ended; empty for nothing.
    """

    service: RateLimitService
    enforced: tuple[bytes, ...]
    shadowed: tuple[bytes, ...]
    saving: bytes = b""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The service."""
        return (self.service.call.backend,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> GlobalLimits:
        """Change the service."""
        return replace(self, service=replace(self.service, call=self.service.call.with_backend(change)))

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filters: what saves what limits look at, that in the shadow, that of limits."""
        if self.saving:
            yield SlotFilter(http_filters.RATE_LIMIT, SAVING, HeaderToMetadata.FromString(self.saving), weight=2)
        if self.shadowed:
            made = self._filter(self.shadowed)
            made.stat_prefix = "shadow"
            made.filter_enforced.default_value.numerator = 0
            # Responses to requests that are served would tell that these were refused.
            made.disable_x_envoy_ratelimited_header = True
            made.failure_mode_deny = False
            yield SlotFilter(http_filters.RATE_LIMIT, SHADOW, made, weight=1)
        if self.enforced:
            yield SlotFilter(http_filters.RATE_LIMIT, FILTER, self._filter(self.enforced))

    def _filter(self, limits: Iterable[bytes]) -> RateLimit:
        service = self.service
        made = RateLimit(domain=service.domain, failure_mode_deny=not service.fails_open)
        made.timeout.FromMilliseconds(service.timeout)
        made.rate_limit_service.grpc_service.CopyFrom(grpc_service(service.call))
        made.rate_limit_service.transport_api_version = 2  # type: ignore[assignment]  # V3
        made.rate_limited_status.code = service.status  # type: ignore[assignment]  # one of the enumeration's numbers
        made.rate_limited_as_resource_exhausted = True
        made.enable_retry_after_header = service.tells_when
        if service.tells_limits:
            made.enable_x_ratelimit_headers = RateLimit.DRAFT_VERSION_03
        made.rate_limits.extend(Limit.FromString(each) for each in limits)
        return made


def read_provider(context: ProviderContext) -> Outcome[RateLimitService | None]:
    """Read the member `rateLimit` of a GatewayExtension."""
    found = context.value
    assert isinstance(found, RateLimitProvider)
    if found.status_code not in StatusCode.values():
        text = f"{found.status_code} is no status that Envoy responds with; use another, like 429."
        return context.invalid("statusCode", text)
    if found.grpc_service is None:
        return _own(context, found)
    call = context.grpc(found.grpc_service, "grpcService")
    return Outcome(None if call.value is None else _service(found, call.value), call.problems)


def _own(context: ProviderContext, found: RateLimitProvider) -> Outcome[RateLimitService | None]:
    backend = own_service(context.db)
    if backend is None:
        return Outcome(None, (_no_service(f"{context.field}.grpcService"),))
    return Outcome(replace(_service(found, GrpcCall(backend)), is_own=True))


def _service(found: RateLimitProvider, call: GrpcCall) -> RateLimitService:
    return RateLimitService(
        call,
        found.domain or DOMAIN,
        fails_open=found.fail_open,
        timeout=found.timeout or call.timeout or TIMEOUT,
        tells_limits=found.x_rate_limit_headers == "DraftVersion03",
        tells_when=found.retry_after,
        status=found.status_code,
    )


def _no_service(field: str) -> Problem:
    text = (
        f"{field}: without a cluster, Headgate deploys no rate limit service; name one, or start Headgate with the "
        f"address of one: --rate-limit-service HOST:PORT."
    )
    return Problem("ResolvedRefs", "BackendNotFound", text)


def is_closed(found: GlobalRateLimit | None) -> bool:
    """Return whether requests are refused if limits cannot be built, but for those whose provider says otherwise."""
    return found is not None and found.extension_ref is not None


def read_global(context: PolicyContext, found: GlobalRateLimit | None) -> FilterOutcome:
    """Read the effective limits."""
    if found is None or found.disable is not None:
        return Outcome(())
    field = f"{context.field}.global"
    if problem := _other_service(context, found, field):
        return Outcome((), (problem,))
    service = _provider(context, found, f"{field}.extensionRef")
    problems = (*service.problems, *_problems(found, service.value, field))
    if problems or service.value is None:
        return Outcome(None if _fails_closed(context, found) else (), problems)
    enforced = [_described(each) for each in found.descriptors or ()]
    shadowed: list[Limit] = []
    for rule in found.limits or ():
        owner = context.origin(f"global.rules[{rule.name}]")
        (shadowed if rule.shadow else enforced).extend(_limits(rule, owner))
    later = [each for rule in found.limits or () if _looks_later(rule) for each in rule.client_selectors or ()]
    saving = saving_filter(later).SerializeToString(deterministic=True) if _are_saved(later) else b""
    return Outcome((GlobalLimits(service.value, _serialized(enforced), _serialized(shadowed), saving),))


def _are_saved(selectors: Iterable[ClientSelector]) -> bool:
    return any(each.headers or each.path is not None for each in selectors)


def _other_service(context: PolicyContext, found: GlobalRateLimit, field: str) -> Problem | None:
    """Return that limits are enforced and the service is not, which could let everything pass."""
    enforced = [each.removeprefix("global.") for each in context.effective.enforced if each.startswith("global.")]
    if found.extension_ref is None or not enforced or "extensionRef" in enforced:
        return None
    text = (
        f"{field}.extensionRef: {context.origin(f'global.{min(enforced)}')} enforces limits, and "
        f"{context.origin('global.extensionRef')} would have another service count them; remove it, or enforce it."
    )
    return Problem("Accepted", "Invalid", text)


def _provider(context: PolicyContext, found: GlobalRateLimit, field: str) -> Outcome[RateLimitService | None]:
    if found.extension_ref is not None:
        owner = context.origin("global.extensionRef")
        return provider_of(context.db, owner, found.extension_ref, MEMBER, field)
    backend = own_service(context.db)
    if backend is None:
        return Outcome(None, (_no_service(field),))
    return Outcome(RateLimitService(GrpcCall(backend), is_own=True))


def _fails_closed(context: PolicyContext, found: GlobalRateLimit) -> bool:
    """Return whether requests are refused while the provider cannot be used; one that is not known may say so."""
    if found.extension_ref is None:
        return False
    extension = named_extension(context.db, context.origin("global.extensionRef"), found.extension_ref)
    provider = None if extension is None else extension.rate_limit
    return provider is None or not provider.fail_open


def _problems(found: GlobalRateLimit, service: RateLimitService | None, field: str) -> Iterator[Problem]:
    if not found.limits and not found.descriptors:
        yield Problem("Accepted", "Invalid", f"{field}: has neither rules nor descriptors; add some, or remove it.")
    if found.descriptors and service is not None and service.is_own:
        text = (
            f"{field}.descriptors: Headgate's own rate limit service has no limits of its own for them; name a service "
            f"that has, by extensionRef, or write rules."
        )
        yield Problem("Accepted", "Invalid", text)
    for place, rule in enumerate(found.limits or ()):
        yield from selector_problems(rule.client_selectors or (), f"{field}.rules[{place}].clientSelectors")


def _limits(rule: GlobalRule, owner: Ref) -> Iterator[Limit]:
    """Yield the limit of a rule, and the same once more for what its responses cost."""
    made = Limit(x_ratelimit_option=HEADERS[rule.x_rate_limit_headers])
    generic = made.actions.add().generic_key
    generic.descriptor_key, generic.descriptor_value = OWNER_KEY, f"{owner.namespace}/{owner.name}/{rule.name}"
    if not rule.shared:
        made.actions.append(expression_action(ROUTE, ROUTE_KEY))
    saved = _looks_later(rule)
    made.actions.extend(each.action for each in selector_entries(rule.client_selectors or (), saved))
    if rule.from_metadata is not None:
        key = made.limit.dynamic_metadata.metadata_key
        key.key = rule.from_metadata.namespace
        key.path.add().key = rule.from_metadata.key
    else:
        assert rule.limit is not None
        made.limit.rate_limit.requests_per_unit = rule.limit.requests
        unit = ratelimit_unit_pb2.RateLimitUnit.Value(rule.limit.unit.upper())
        made.limit.rate_limit.unit = unit  # type: ignore[assignment]  # the stubs take the number for an int
    costs = rule.cost or RequestCosts()
    response = Limit.FromString(made.SerializeToString())
    if costs.request is not None:
        _write_cost(made, costs.request)
    elif costs.response is not None and costs.response.usage is not None:
        made.hits_addend.number.value = 0
    yield made
    if costs.response is not None:
        response.apply_on_stream_done = True
        _write_cost(response, costs.response)
        yield response


def _looks_later(rule: GlobalRule) -> bool:
    """Return whether requests are looked at when they have ended, too: both times have to find the same."""
    return rule.cost is not None and rule.cost.response is not None


def _write_cost(made: Limit, cost: Cost | ResponseCost) -> None:
    if isinstance(cost, ResponseCost) and cost.usage is not None:
        made.hits_addend.format = _format(MetadataReference(namespace=NAMESPACE, key=USAGE[cost.usage]))
    elif cost.metadata is not None:
        made.hits_addend.format = _format(cost.metadata)
    else:
        made.hits_addend.number.value = cost.number or 0


def _format(found: MetadataReference) -> str:
    return f"%DYNAMIC_METADATA({found.namespace}:{found.key})%"


def _described(found: Descriptor) -> Limit:
    return Limit(actions=[_entry(each) for each in found.entries])


def _entry(found: DescriptorEntry) -> Limit.Action:
    action = Limit.Action()
    name = found.name or ""
    key = found.key or name.lower() or found.type.lower()
    if found.type == "Generic":
        assert found.generic is not None
        action.generic_key.descriptor_key = found.generic.key
        action.generic_key.descriptor_value = found.generic.value
    elif found.type == "RemoteAddress":
        action.remote_address.SetInParent()
    elif found.type == "Query":
        action.query_parameters.query_parameter_name = name
        action.query_parameters.descriptor_key = found.key or name
    elif found.type == "Claim":
        return claim_action((PAYLOAD, *name.split(".")), found.key or name)
    elif found.type == "CEL":
        assert found.cel is not None
        return expression_action(found.cel, key)
    else:
        action.request_headers.header_name = _PSEUDO.get(found.type, name.lower())
        action.request_headers.descriptor_key = key
    return action


_PSEUDO: Final = {"Path": ":path", "Method": ":method"}


def _serialized(limits: Iterable[Limit]) -> tuple[bytes, ...]:
    return tuple(each.SerializeToString(deterministic=True) for each in limits)


PROVIDER: Final = ProviderKind(MEMBER, read_provider)
