"""Messages that no rule of Envoy's forbids, that `envoy --mode validate` takes, and that end Envoy's process.

Each was observed with Envoy 1.40. They are constraints like those of protoc-gen-validate, by the name of the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from headgate_proto.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz
from headgate_proto.udpa.type.v1 import typed_struct_pb2 as udpa
from headgate_proto.xds.type.v3 import typed_struct_pb2 as xds


class OwnConstraint(NamedTuple):
    """A constraint on a message.

    Attributes:
        broken: whether a message breaks it.
        text: what is wrong, and the way out.
    """

    broken: Callable[[Any], bool]
    text: str


def _has_no_service(message: ExtAuthz) -> bool:
    return message.WhichOneof("services") is None


SERVICE = OwnConstraint(
    _has_no_service,
    "must have grpc_service or http_service: without, the first request that a route enables it for ends Envoy's "
    "process, even if the route names a service",
)

TYPED: Mapping[str, tuple[type[ExtAuthz], OwnConstraint]] = {ExtAuthz.DESCRIPTOR.full_name: (ExtAuthz, SERVICE)}
"""By the name of a message, its class and the constraint."""


def _holds_a_broken_one(message: xds.TypedStruct | udpa.TypedStruct) -> bool:
    """Return whether a message that is written as a Struct breaks the constraint of its type."""
    found = TYPED.get(message.type_url.rpartition("/")[2])
    if found is None:
        return False
    kind, constraint = found
    try:
        return constraint.broken(ParseDict(MessageToDict(message.value), kind(), ignore_unknown_fields=True))
    except ParseError:
        return True


STRUCTS = (xds.TypedStruct.DESCRIPTOR.full_name, udpa.TypedStruct.DESCRIPTOR.full_name)
"""The messages in which another one is written as a Struct."""

CONSTRAINTS: Mapping[str, OwnConstraint] = {
    **{name: constraint for name, (_, constraint) in TYPED.items()},
    **dict.fromkeys(STRUCTS, OwnConstraint(_holds_a_broken_one, SERVICE.text)),
}
"""The constraints by the name of the message."""
