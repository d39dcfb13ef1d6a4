"""External processors (Envoy's ``ext_proc``): the unit `extProc` of TrafficPolicies, and GatewayExtensions with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.core.v3.grpc_service_pb2 import GrpcService
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.ext_proc_pb2 import ExternalProcessor as Filter
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.ext_proc_pb2 import MetadataOptions as MetadataMessage
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode as ModeMessage
from headgate_proto.envoy.type.v3.http_status_pb2 import StatusCode
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.filter_stages import placed, some_closed, too_many
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.objects.headgate.extproc import MOST_PROCESSORS, ExternalProcessing, MetadataOptions, ProcessingMode
from translator.objects.headgate.extprocprovider import ExternalProcessor
from translator.objects.headgate.filterentries import FilterStage
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.schema.base import Fields
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext, ProviderKind, provider_of

MEMBER: Final = "ext_proc"
"""The member of GatewayExtensions, by its name in the model."""
NAME: Final = "ext_proc"
PROCESSED_BYTES: Final = 1024 * 1024
"""How long a body may be that a processor gets as a whole."""
ACTIONS: Final = {"FromResponse": Filter.DEFAULT, "Clear": Filter.CLEAR, "Retain": Filter.RETAIN}
WHOLE: Final = frozenset({"BUFFERED", "BUFFERED_PARTIAL"})

NO_POLICY: Final = ExternalProcessing.model_construct()
"""What a policy says that says nothing."""


@dataclass(frozen=True, slots=True)
class ProvidedProcessor:
    """A processor as a GatewayExtension provides it.

    Attributes:
        call: the service.
        spec: all else that the extension says.
    """

    call: GrpcCall
    spec: ExternalProcessor


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor as a policy has it.

    Attributes:
        provided: what its extension says.
        own: what the policy says over that.
    """

    provided: ProvidedProcessor
    own: ExternalProcessing = NO_POLICY

    @property
    def fail_open(self) -> bool:
        """Whether requests go on without it if it fails."""
        own = self.own.fail_open
        return bool(self.provided.spec.fail_open if own is None else own)

    @property
    def mode(self) -> ProcessingMode | None:
        """Which parts it gets."""
        return self.own.processing_mode or self.provided.spec.processing_mode

    @property
    def stage(self) -> FilterStage | None:
        """Where it is asked, if that is said."""
        return self.own.filter_stage or self.provided.spec.filter_stage

    @property
    def holds_bodies(self) -> bool:
        """Whether the proxy holds bodies for it: it gets them as a whole, or may ask for that."""
        spec = self.provided.spec
        modes = [self.mode, *(spec.allowed_mode_overrides or ())]
        if spec.allow_mode_override and spec.allowed_mode_overrides is None:
            return True
        return any({each.request_body_mode, each.response_body_mode} & WHOLE for each in modes if each is not None)

    def slot_filter(self) -> SlotFilter:
        """Return its filter, in the slot of its stage."""
        return placed(self.stage, http_filters.EXT_PROC, NAME, self.own.name, self.config())

    def config(self) -> Filter:
        """Return the whole configuration of its filter."""
        spec, own = self.provided.spec, self.own
        service: GrpcService = grpc_service(self.provided.call)
        made = Filter(grpc_service=service, failure_mode_allow=self.fail_open)
        _write_mode(made.processing_mode, self.mode)
        made.allow_mode_override = bool(spec.allow_mode_override)
        for each in spec.allowed_mode_overrides or ():
            _write_mode(made.allowed_override_modes.add(), each)
        if spec.message_timeout is not None:
            made.message_timeout.FromMilliseconds(spec.message_timeout)
        if spec.max_message_timeout is not None:
            made.max_message_timeout.FromMilliseconds(spec.max_message_timeout)
        # A processor that has the route chosen anew moves requests past what other routes enable only for themselves.
        made.route_cache_action = ACTIONS[spec.route_cache_action or "Retain"]
        made.request_attributes.extend(_or(own.request_attributes, spec.request_attributes))
        made.response_attributes.extend(_or(own.response_attributes, spec.response_attributes))
        options = own.metadata_options or spec.metadata_options
        if options is not None:
            made.metadata_options.CopyFrom(_metadata(options))
        if spec.status_on_error is not None:
            made.status_on_error.code = spec.status_on_error  # type: ignore[assignment]
        made.disable_immediate_response = bool(spec.disable_immediate_response)
        made.stat_prefix = spec.stat_prefix or ""
        return made


def _or(own: tuple[str, ...] | None, provided: tuple[str, ...] | None) -> tuple[str, ...]:
    return (provided or ()) if own is None else own


def _write_mode(made: ModeMessage, found: Fields | None) -> None:
    if found is None:
        return
    for name in type(found).model_fields:
        if (value := getattr(found, name)) is not None:
            setattr(made, name, value)


def _metadata(found: MetadataOptions) -> MetadataMessage:
    made = MetadataMessage()
    if found.forwarding is not None:
        made.forwarding_namespaces.untyped.extend(found.forwarding.untyped or ())
        made.forwarding_namespaces.typed.extend(found.forwarding.typed or ())
    if found.receiving is not None:
        made.receiving_namespaces.untyped.extend(found.receiving.untyped or ())
    return made


@dataclass(frozen=True, slots=True)
class Processors(RuleSetting, FilterHook):
    """External processors that requests and responses pass."""

    processors: tuple[Processor, ...]

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The processors' services."""
        return tuple(dict.fromkeys(each.provided.call.backend for each in self.processors))

    @property
    def buffered_bytes(self) -> int:
        """How much of a body the proxy holds for those that get it as a whole."""
        return PROCESSED_BYTES if any(each.holds_bodies for each in self.processors) else 0

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter of each; of those in a slot with one weight, the first comes first."""
        return (each.slot_filter() for each in self.processors)


def read_provider(context: ProviderContext) -> Outcome[ProvidedProcessor | None]:
    """Read the processor of a GatewayExtension."""
    spec = context.value
    assert isinstance(spec, ExternalProcessor)
    status = spec.status_on_error
    if status is not None and status not in StatusCode.values():
        return context.invalid("statusOnError", f"{status} is no status that Envoy knows; choose another, like 500.")
    call = context.grpc(spec.grpc_service, "grpcService")
    return Outcome(ProvidedProcessor(call.value, spec) if call.value is not None else None, call.problems)


def alone(found: ProvidedProcessor) -> tuple[Processors, ...]:
    """Return the setting of a processor that is a filter of a listener."""
    return (Processors((Processor(found),)),)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective processors, in the order in which they are asked.

    One that cannot be asked is left out where the policies say that it may be, and otherwise has requests refused.
    """
    made: list[Processor] = []
    problems: list[Problem] = []
    closed = False
    found: tuple[ExternalProcessing, ...] = context.effective.value
    asked = [each for each in found if each.extension_ref is not None]
    if excess := too_many(context.field, asked, MOST_PROCESSORS, "processors"):
        return Outcome(None, excess)
    for each in asked:
        assert each.extension_ref is not None
        leaf = f"[{each.name}]"
        path = f"{context.field}{leaf}.extensionRef"
        provided = provider_of(context.db, context.origin(leaf), each.extension_ref, MEMBER, path)
        problems += provided.problems
        if provided.value is not None:
            made.append(Processor(provided.value, each))
        closed = closed or (provided.value is None and not each.fail_open)
    settings = (Processors(tuple(made)),) if made else ()
    return Outcome(None if closed else settings, tuple(problems))


EXTENSION = Extension(
    "external processors",
    units=(PolicyUnit(TrafficPolicy, MEMBER, read, Processors, closed=some_closed, inherit=TABLE),),
    providers=(ProviderKind(MEMBER, read_provider, alone),),
)
