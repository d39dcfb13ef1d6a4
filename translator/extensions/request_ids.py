"""The identifiers of requests, X-Request-Id: units of ListenerPolicies."""

from __future__ import annotations

from dataclasses import dataclass

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.request_id.uuid.v3.uuid_pb2 import UuidRequestIdConfig as UuidMessage
from translator.envoy.hooks import ConnectionManagerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.headgate.requestids import UuidRequestIdConfig
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class GeneratedIds(ListenerSetting, ConnectionManagerHook):
    """Whether requests without an identifier get one."""

    asked: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``generate_request_id``."""
        manager.generate_request_id.value = self.asked


@dataclass(frozen=True, slots=True)
class PreservedIds(ListenerSetting, ConnectionManagerHook):
    """Whether the identifiers that clients send are kept."""

    asked: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``preserve_external_request_id``."""
        manager.preserve_external_request_id = self.asked


@dataclass(frozen=True, slots=True)
class ReturnedIds(ListenerSetting, ConnectionManagerHook):
    """Whether responses have the identifier of their request."""

    asked: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``always_set_request_id_in_response``."""
        manager.always_set_request_id_in_response = self.asked


@dataclass(frozen=True, slots=True)
class UuidIds(ListenerSetting, ConnectionManagerHook):
    """How identifiers and traces depend on each other."""

    asked: UuidRequestIdConfig

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the ``UuidRequestIdConfig``."""
        made, asked = UuidMessage(), self.asked
        if asked.pack_trace_reason is not None:
            made.pack_trace_reason.value = asked.pack_trace_reason
        if asked.use_request_id_for_trace_sampling is not None:
            made.use_request_id_for_trace_sampling.value = asked.use_request_id_for_trace_sampling
        manager.request_id_extension.typed_config.Pack(made, deterministic=True)


def read_generated(context: PolicyContext) -> ListenerOutcome:
    """Read whether requests get identifiers."""
    return Outcome((GeneratedIds(context.effective.value),))


def read_preserved(context: PolicyContext) -> ListenerOutcome:
    """Read whether clients' identifiers are kept."""
    return Outcome((PreservedIds(context.effective.value),))


def read_returned(context: PolicyContext) -> ListenerOutcome:
    """Read whether responses have identifiers."""
    return Outcome((ReturnedIds(context.effective.value),))


def read_uuids(context: PolicyContext) -> ListenerOutcome:
    """Read how identifiers and traces depend on each other."""
    return Outcome((UuidIds(context.effective.value),))


EXTENSION = Extension(
    "request ids",
    units=tuple(
        PolicyUnit(ListenerPolicy, f"http_settings.{field}", read, setting, protocols=OF_HTTP)
        for field, read, setting in (
            ("generate_request_id", read_generated, GeneratedIds),
            ("preserve_external_request_id", read_preserved, PreservedIds),
            ("request_id_in_response", read_returned, ReturnedIds),
            ("uuid_request_id_config", read_uuids, UuidIds),
        )
    ),
)
