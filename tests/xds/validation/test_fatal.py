"""Messages that end Envoy's process: an ExtAuthz without a service, wherever it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz, ExtAuthzPerRoute
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.udpa.type.v1 import typed_struct_pb2 as udpa
from headgate_proto.xds.type.v3 import typed_struct_pb2 as xds_struct
from xds.resources.types import PREFIX
from xds.validation.fatal import SERVICE
from xds.validation.guard import fatal_violations
from xds.validation.validate import check

NAME = ExtAuthz.DESCRIPTOR.full_name


def whole(size: int = 0) -> ExtAuthz:
    """Return an ExtAuthz with a service, which makes it longer by so many characters."""
    made = ExtAuthz(stat_prefix="a" * size)
    made.grpc_service.envoy_grpc.cluster_name = "authorizer"
    return made


def in_listener(message: Message) -> Listener:
    """Return a listener whose connection manager has the message as a filter, and a RouteConfiguration with it."""
    manager = HttpConnectionManager(stat_prefix="a")
    manager.http_filters.add(name="ext_authz", disabled=True).typed_config.Pack(message)
    manager.route_config.CopyFrom(in_route(whole()))
    listener = Listener(name="a")
    listener.filter_chains.add().filters.add(name="hcm").typed_config.Pack(manager)
    return listener


def in_route(message: Message) -> RouteConfiguration:
    """Return a RouteConfiguration with a route that has the message for itself."""
    made = RouteConfiguration(name="a")
    route = made.virtual_hosts.add(name="a", domains=["*"]).routes.add(name="a")
    route.match.prefix = "/"
    route.direct_response.status = 200
    route.typed_per_filter_config["slot"].Pack(message)
    return made


def in_slot(message: Message) -> RouteConfiguration:
    """Return a RouteConfiguration with a route that has the message in a chain of filters."""
    chain = FilterChainConfigPerRoute()
    chain.filter_chain.filters.add(name="ext_authz").typed_config.Pack(message)
    return in_route(chain)


def in_extension_config(message: Message) -> TypedExtensionConfig:
    """Return the message as a resource of extension discovery."""
    made = TypedExtensionConfig(name="a")
    made.typed_config.Pack(message)
    return made


PLACES = [in_listener, in_route, in_slot, in_extension_config]
PATHS = {
    in_listener: "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config",
    in_route: "virtual_hosts[0].routes[0].typed_per_filter_config['slot']",
    in_slot: "virtual_hosts[0].routes[0].typed_per_filter_config['slot'].filter_chain.filters[0].typed_config",
    in_extension_config: "typed_config",
}


def guarded(message: Message) -> list[str]:
    """Return the paths of what must not be sent in a message."""
    body = message.SerializeToString(deterministic=True)
    return [each.path for each in fatal_violations(PREFIX + message.DESCRIPTOR.full_name, body)]


@pytest.mark.parametrize("place", PLACES)
def test_a_message_without_a_service_is_found_everywhere(place: type) -> None:
    """An ExtAuthz without a service is a violation, in a listener, a route, a chain of filters and an ECDS resource."""
    found = check(place(ExtAuthz(stat_prefix="a")))
    assert [(each.path, each.rule) for each in found] == [(PATHS[place], SERVICE.text)]
    assert guarded(place(ExtAuthz(stat_prefix="a"))) == [PATHS[place]]
    assert guarded(place(ExtAuthz())) == [PATHS[place]]
    assert check(place(whole())) == []
    assert guarded(place(whole())) == []


@pytest.mark.parametrize("place", PLACES)
@given(size=st.integers(0, 20000))
def test_the_guard_reads_messages_of_any_size(place: type, size: int) -> None:
    """The last check finds the same as the walk through the message, whatever its size."""
    assert guarded(place(whole(size))) == []
    assert guarded(place(ExtAuthz(stat_prefix="a" * size))) == [PATHS[place]]


def test_one_of_many_is_found() -> None:
    """One message without a service is found among others that have one."""
    made = RouteConfiguration(name="a")
    for number in range(50):
        made.virtual_hosts.add().CopyFrom(in_slot(ExtAuthz() if number == 30 else whole(number)).virtual_hosts[0])
    assert guarded(made) == [PATHS[in_slot].replace("virtual_hosts[0]", "virtual_hosts[30]")]


@pytest.mark.parametrize("kind", [xds_struct.TypedStruct, udpa.TypedStruct])
def test_a_message_written_as_a_struct_is_found(kind: type) -> None:
    """A message that is written as a Struct is held to the same constraint."""
    good, bad = Struct(), Struct()
    good.update({"grpc_service": {"envoy_grpc": {"cluster_name": "a"}}})
    bad.update({"stat_prefix": "a"})
    for content, paths in ((good, []), (bad, [PATHS[in_route]])):
        message = in_route(kind(type_url=PREFIX + NAME, value=content))
        assert [each.path for each in check(message)] == paths
        assert guarded(message) == paths


def test_the_name_alone_is_no_message() -> None:
    """The name of the type in text, or of a type whose name begins with it, is nothing to withhold."""
    per_route = ExtAuthzPerRoute(disabled=True)
    named = in_route(per_route)
    named.virtual_hosts[0].name = PREFIX + NAME
    named.virtual_hosts[0].routes[0].name = NAME
    assert guarded(named) == []
    assert check(named) == []


def test_a_message_in_an_unknown_one_is_found_without_a_path() -> None:
    """Inside of an Any of a type that this process does not know, the message is found by the bytes."""
    inner = TypedExtensionConfig(name="a")
    inner.typed_config.Pack(ExtAuthz())
    config = TypedExtensionConfig(name="a")
    config.typed_config.CopyFrom(AnyMessage(type_url="example.com/a.B", value=inner.SerializeToString()))
    assert guarded(config) == [""]


def test_envoy_takes_what_ends_its_process(envoy_path: Path, tmp_path: Path) -> None:
    """Envoy's own validation takes a filter without a service, so that nothing but this check keeps it out."""
    options = ["--mode", "validate", "--disable-hot-restart", "--log-level", "error"]
    filters = (
        '[{name: a, disabled: true, typed_config: {"@type": "type.googleapis.com/' + NAME + '"}},'
        ' {name: b, typed_config: {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]'
    )
    manager = (
        '{"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.'
        f"HttpConnectionManager, stat_prefix: a, route_config: {{}}, http_filters: {filters}}}"
    )
    address = "{socket_address: {address: 127.0.0.1, port_value: 0}}"
    listener = f"{{address: {address}, filter_chains: [{{filters: [{{name: hcm, typed_config: {manager}}}]}}]}}"
    (tmp_path / "a.yaml").write_text(f"static_resources: {{listeners: [{listener}]}}")
    done = subprocess.run(
        [envoy_path, *options, "--config-path", tmp_path / "a.yaml"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
