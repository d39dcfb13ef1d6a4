"""The web application firewall: the unit `waf` of TrafficPolicies, and GatewayExtensions with it.

A service is asked by Envoy's ``ext_proc``. What it is to do, the *profile*, is in the metadata of the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.ext_proc_pb2 import ExternalProcessor as Filter
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode as Mode
from translator.backends.waf_service import own_waf_service
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.gateway.config_maps import config_map_text
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.languages.seclang import MOST_CHARACTERS, SecLangError, read_directives
from translator.objects.headgate.firewalls import (
    DIRECTIVES_KEY,
    WafExclusion,
    WafProvider,
    WebApplicationFirewall,
)
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext, ProviderKind, named_extension, provider_of
from translator.refs import Ref
from translator.waf_profile import BODY_BYTES, METADATA, MOST_BYTES, THRESHOLD, Exclusion, Profile

MEMBER: Final = "waf"
FILTER: Final = "headgate.waf.inspection"
TIMEOUT: Final = 1_000
"""How long the service may take by default, in milliseconds."""
ATTRIBUTES: Final = ("source.address", "request.protocol", "xds.route_name")
"""What the service is told beside requests."""


@dataclass(frozen=True, slots=True)
class InspectionService:
    """A service that inspects.

    Attributes:
        call: how it is called.
        fails_open: whether requests go on without it if it fails.
        timeout: how long it may take, in milliseconds.
    """

    call: GrpcCall
    fails_open: bool = False
    timeout: int = TIMEOUT


@dataclass(frozen=True, slots=True)
class Firewall(RuleSetting, FilterHook):
    """Requests are inspected.

    Attributes:
        service: the service that is asked.
        profile: what it is to do.
    """

    service: InspectionService
    profile: Profile

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The service."""
        return (self.service.call.backend,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> Firewall:
        """Change the service."""
        return replace(self, service=replace(self.service, call=self.service.call.with_backend(change)))

    @property
    def buffered_bytes(self) -> int:
        """How much of a body the proxy holds for the service."""
        return self.profile.body_bytes

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter."""
        yield SlotFilter(http_filters.WAF, FILTER, self._filter())

    def _filter(self) -> Filter:
        service, profile = self.service, self.profile
        made = Filter(grpc_service=grpc_service(service.call), failure_mode_allow=service.fails_open)
        made.grpc_service.initial_metadata.add(key=METADATA, value=profile.to_text())
        mode = made.processing_mode
        mode.request_header_mode = Mode.SEND
        # As a whole, a body that is too long has the proxy refuse the request; in part, it passes.
        mode.request_body_mode = Mode.BUFFERED if profile.overflow == "Reject" else Mode.BUFFERED_PARTIAL
        # A body may be nothing but trailers.
        mode.request_trailer_mode = Mode.SEND
        mode.response_header_mode = Mode.SEND if profile.response else Mode.SKIP
        mode.response_body_mode = Mode.BUFFERED_PARTIAL if profile.response else Mode.NONE
        mode.response_trailer_mode = Mode.SKIP
        # By this the service says that what follows is no body: of a WebSocket, or of an image.
        made.allow_mode_override = True
        made.message_timeout.FromMilliseconds(service.timeout)
        made.route_cache_action = Filter.RETAIN
        made.request_attributes.extend(ATTRIBUTES)
        # It refuses requests, and changes none.
        made.mutation_rules.disallow_all.value = True
        return made


def read_provider(context: ProviderContext) -> Outcome[InspectionService | None]:
    """Read the member `waf` of a GatewayExtension."""
    found = context.value
    assert isinstance(found, WafProvider)
    if found.grpc_service is None:
        backend = own_waf_service(context.db)
        if backend is None:
            return Outcome(None, (_no_service(f"{context.field}.grpcService", context.db.settings.standalone),))
        call = GrpcCall(backend)
    else:
        named = context.grpc(found.grpc_service, "grpcService")
        if named.value is None:
            return Outcome(None, named.problems)
        call = named.value
    return Outcome(InspectionService(call, found.fail_open, found.message_timeout or TIMEOUT))


def _no_service(field: str, standalone: bool) -> Problem:
    text = (
        f"{field}: there is no service of Headgate's that inspects requests; name one, start Headgate with the address "
        f"of one (--waf-service HOST:PORT), or with what it needs to run one: "
    ) + (
        "pip install 'headgate[waf]', and the OWASP Core Rule Set (--waf-rules DIR)."
        if standalone
        else "the image (--waf-image)."
    )
    return Problem("ResolvedRefs", "BackendNotFound", text)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective firewall; None if requests are to be refused that it cannot inspect."""
    found = context.effective.value
    assert isinstance(found, WebApplicationFirewall)
    if found.disable is not None:
        return Outcome(())
    service = _service(context, found)
    profile = _profile(context, found)
    problems = (*service.problems, *profile.problems)
    if profile.value is None:
        return Outcome(None, problems)
    if service.value is None:
        return Outcome(() if _fails_open(context, found) else None, problems)
    return Outcome((Firewall(service.value, profile.value),), problems)


def _service(context: PolicyContext, found: WebApplicationFirewall) -> Outcome[InspectionService | None]:
    field = f"{context.field}.extensionRef"
    if found.extension_ref is not None:
        return provider_of(context.db, context.origin("extensionRef"), found.extension_ref, MEMBER, field)
    backend = own_waf_service(context.db)
    if backend is None:
        return Outcome(None, (_no_service(field, context.db.settings.standalone),))
    return Outcome(InspectionService(GrpcCall(backend)))


def _fails_open(context: PolicyContext, found: WebApplicationFirewall) -> bool:
    """Return whether the extension lets requests go on without the service; one that is not known does not."""
    if found.extension_ref is None:
        return False
    extension = named_extension(context.db, context.origin("extensionRef"), found.extension_ref)
    return extension is not None and extension.waf is not None and extension.waf.fail_open


def _profile(context: PolicyContext, found: WebApplicationFirewall) -> Outcome[Profile | None]:
    directives = _directives(context, found)
    if directives.value is None:
        return Outcome(None, directives.problems)
    body = found.body
    made = Profile(
        found.mode or "Enforce",
        found.paranoia_level or 1,
        found.anomaly_threshold or THRESHOLD,
        tuple(map(_exclusion, found.exclusions or ())),
        directives.value,
        (body.max_bytes if body is not None else None) or BODY_BYTES,
        (body.on_overflow if body is not None else None) or "Reject",
        bool(found.response),
    )
    size = len(made.to_text())
    if size > MOST_BYTES:
        text = (
            f"{context.field}: exclusions and directives have {size} bytes together, as they are sent with each "
            f"request, and {MOST_BYTES} are the most: write fewer."
        )
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    return Outcome(made)


def _exclusion(found: WafExclusion) -> Exclusion:
    return Exclusion(found.rule_ids or (), found.targets or (), found.paths or ())


def _directives(context: PolicyContext, found: WebApplicationFirewall) -> Outcome[str | None]:
    reference = found.directives_ref
    if reference is None:
        return Outcome("")
    field = f"{context.field}.directivesRef"
    config_map = Ref(ConfigMap.kind, context.origin("directivesRef").namespace, reference.name)
    text = config_map_text(context.db, config_map, reference.key or DIRECTIVES_KEY, MOST_CHARACTERS, field)
    if text.value is None:
        return text
    try:
        read_directives(text.value)
    except SecLangError as error:
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}: {config_map}: {error}."),))
    return text


EXTENSION = Extension(
    "web application firewall",
    units=(PolicyUnit(TrafficPolicy, MEMBER, read, Firewall, closed=True, inherit=TABLE),),
    providers=(ProviderKind(MEMBER, read_provider),),
)
"""The unit `waf`, and the extensions with it."""
