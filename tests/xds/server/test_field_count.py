"""The number of fields counted in a serialised request equals that of the parsed request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2, struct_pb2
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.server.field_count import NAMES, STEP, TooManyFields, count_fields
from xds.server.limits import Limits

Delta, Sotw = discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DiscoveryRequest


def fields(message: Message) -> int:
    """Return the number of fields of a message, including nested ones, except resource names."""
    total = 0
    for field, value in message.ListFields():
        if field.name not in NAMES:
            values = list(value) if field.is_repeated else [value]
            total += len(values) + sum(fields(each) for each in values if isinstance(each, Message))
    return total


def verdict(raw: bytes, kind: Any, **limits: int) -> str:
    """Return the error of the count of a request; "" if there is none."""
    try:
        for _ in count_fields(raw, kind.DESCRIPTOR, Limits(name_bytes=limits.pop("name_bytes", 30), **limits)):
            pass
    except TooManyFields as error:
        return str(error)
    return ""


@given(
    names=st.lists(st.text(max_size=3), max_size=20),
    held=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=10),
    extensions=st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=3), max_size=5),
)
def test_names_and_fields_are_counted(names: list[str], held: dict[str, str], extensions: list[list[str]]) -> None:
    """A request passes exactly if it has no more names and no more other fields than allowed."""
    request = Delta(type_url="type", resource_names_subscribe=names, initial_resource_versions=held)
    request.node.id = "a node whose id is longer than any name"
    for urls in extensions:
        request.node.extensions.add(name="x", type_urls=urls)
    raw, counted, others = request.SerializeToString(), len(names) + len(held), fields(request)
    assert verdict(raw, Delta, names=counted, request_fields=others) == ""
    assert "fields in one request" in verdict(raw, Delta, names=counted, request_fields=others - 1)
    if counted:
        assert "resource names" in verdict(raw, Delta, names=counted - 1, request_fields=others)


@pytest.mark.parametrize(
    "fill",
    [
        lambda request: request.node.extensions.extend([base_pb2.Extension()] * 11_000),
        lambda request: request.node.metadata.fields["x"].list_value.values.extend([struct_pb2.Value()] * 11_000),
        lambda request: request.error_detail.details.extend([any_pb2.Any()] * 11_000),
        lambda request: request.resource_locators.extend([discovery_pb2.ResourceLocator()] * 11_000),
        lambda request: request.node.dynamic_parameters["x"].params.update({str(n): "" for n in range(11_000)}),
    ],
)
def test_nested_fields_are_counted(fill: Callable[[Any], None]) -> None:
    """No part of a request may contain very many messages, at any depth."""
    request = Sotw()
    fill(request)
    assert verdict(request.SerializeToString(), Sotw) == "more than 10000 fields in one request"


def test_a_long_name_is_rejected() -> None:
    """A name above the limit is rejected; in a short request, a name is at most as long as the request."""
    request = Sotw(resource_names=["x" * 31])
    assert verdict(request.SerializeToString(), Sotw) == "a resource name of 31 bytes; at most 30 are allowed"
    assert verdict(Sotw(resource_names=["x" * 30]).SerializeToString(), Sotw) == ""


def test_counting_pauses() -> None:
    """The fields of a large request are counted in steps, so that other clients are served meanwhile."""
    raw = Sotw(resource_names=[f"name {number}" for number in range(4 * STEP)]).SerializeToString()
    assert len(list(count_fields(raw, Sotw.DESCRIPTOR, Limits()))) == 4  # type: ignore[arg-type]


@given(st.binary(min_size=31, max_size=200))
def test_counting_of_arbitrary_bytes_ends(raw: bytes) -> None:
    """Counting ends for any bytes; those that it rejects as malformed cannot be parsed, except for groups."""
    try:
        verdict(raw, Delta)
    except DecodeError as error:
        if "wire type" not in str(error):
            with pytest.raises(DecodeError):
                Delta.FromString(raw)
