"""The identifiers of requests, X-Request-Id: units of ListenerPolicies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.request_id.uuid.v3.uuid_pb2 import UuidRequestIdConfig as UuidMessage
from translator.extension import Extension
from translator.extensions.manager_options import ManagerOption, Write, option_units
from translator.objects.headgate.requestids import UuidRequestIdConfig


def _generate(manager: HttpConnectionManager, asked: bool) -> None:
    manager.generate_request_id.value = asked


def _preserve(manager: HttpConnectionManager, asked: bool) -> None:
    manager.preserve_external_request_id = asked


def _return(manager: HttpConnectionManager, asked: bool) -> None:
    manager.always_set_request_id_in_response = asked


def _uuids(manager: HttpConnectionManager, asked: UuidRequestIdConfig) -> None:
    made = UuidMessage()
    if asked.pack_trace_reason is not None:
        made.pack_trace_reason.value = asked.pack_trace_reason
    if asked.use_request_id_for_trace_sampling is not None:
        made.use_request_id_for_trace_sampling.value = asked.use_request_id_for_trace_sampling
    manager.request_id_extension.typed_config.Pack(made, deterministic=True)


@dataclass(frozen=True, slots=True)
class RequestIds(ManagerOption):
    """How requests get identifiers, and who sees them."""

    writers: ClassVar[Mapping[str, Write]] = {
        "generate_request_id": _generate,
        "preserve_external_request_id": _preserve,
        "request_id_in_response": _return,
        "uuid_request_id_config": _uuids,
    }


EXTENSION = Extension("request ids", units=option_units(RequestIds))
