"""The types of resources that Envoy can reject: good and bad ones, and the versions that Envoy uses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from functools import cache

import aiohttp

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3 import extension_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2, scoped_route_pb2
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from headgate_proto.envoy.extensions.filters.http.lua.v3 import lua_pb2
from headgate_proto.envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from tests.certificates import self_signed
from tests.xds.envoy_process import Envoy, free_port
from tests.xds.sample_resources import ADS, cluster, endpoints, invalid_cluster
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, VIRTUAL_HOST

NAMES = ("a", "b", "c", "d", "e", "f")

Manager = http_connection_manager_pb2.HttpConnectionManager


class Kind(ABC):
    """A type of resource, each of which has one of `NAMES` and a version, from 1, including bad ones."""

    url: str
    delta_only = False

    def __init__(self) -> None:
        self.ports = {name: free_port() for name in NAMES}

    def base(self) -> Iterable[Resource]:
        """Return the other resources that an Envoy needs to use those of the type."""
        return ()

    @abstractmethod
    def good(self, name: str, version: int) -> Resource:
        """Return a resource that Envoy accepts."""

    @abstractmethod
    def bad(self, name: str, version: int) -> Resource:
        """Return a resource that Envoy rejects."""

    @abstractmethod
    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the version of each resource that Envoy uses."""

    async def _each(self, look: Mapping[str, Awaitable[int | None]]) -> dict[str, int]:
        found = {name: await each for name, each in look.items()}
        return {name: each for name, each in found.items() if each is not None}


def _answering(host: route_components_pb2.VirtualHost, text: str, bad: bool = False) -> None:
    route = host.routes.add()
    route.match.prefix = "/"
    route.direct_response.status = 200
    route.direct_response.body.inline_string = text
    if bad:
        host.routes.add().match.safe_regex.regex = "((("
        host.routes[1].direct_response.status = 200


def _table(name: str, text: str, bad: bool = False) -> route_pb2.RouteConfiguration:
    made = route_pb2.RouteConfiguration(name=name)
    _answering(made.virtual_hosts.add(name="all", domains=["*"]), text, bad)
    return made


def _listener(
    name: str, port: int, manager: Manager, filters: Iterable[http_connection_manager_pb2.HttpFilter] = ()
) -> listener_pb2.Listener:
    manager.stat_prefix = name
    manager.http_filters.extend(filters)
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name=name)
    made.address.socket_address.address = "127.0.0.1"
    made.address.socket_address.port_value = port
    made.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    return made


async def _answer(port: int, header: str = "") -> int | None:
    """Return the number in the body, or a header, of a port's response."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/") as response:
            text = response.headers.get(header, "") if header else await response.text()
            return int(text) if response.status == 200 and text.isdecimal() else None
    except aiohttp.ClientError:
        return None


class Listeners(Kind):
    """LDS: bad ones have an invalid certificate."""

    url = LISTENER

    def _made(self, name: str, version: int) -> listener_pb2.Listener:
        return _listener(name, self.ports[name], Manager(route_config=_table("own", str(version))))

    def good(self, name: str, version: int) -> Resource:
        """Return a listener that answers with its version."""
        return Resource.pack(self._made(name, version))

    def bad(self, name: str, version: int) -> Resource:
        """Return a listener with an invalid certificate."""
        made, context = self._made(name, version), tls_pb2.DownstreamTlsContext()
        own = context.common_tls_context.tls_certificates.add()
        own.certificate_chain.inline_string = own.private_key.inline_string = "none"
        made.filter_chains[0].transport_socket.name = "tls"
        made.filter_chains[0].transport_socket.typed_config.Pack(context)
        return Resource.pack(made)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the versions that its ports answer."""
        return await self._each({name: _answer(port) for name, port in self.ports.items()})


class RouteConfigurations(Kind):
    """RDS: bad ones have an invalid regular expression."""

    url = ROUTE

    def base(self) -> Iterable[Resource]:
        """Yield a listener for each."""
        for name, port in self.ports.items():
            manager = Manager()
            manager.rds.route_config_name = name
            manager.rds.config_source.CopyFrom(ADS)
            yield Resource.pack(_listener(f"l{name}", port, manager))

    def good(self, name: str, version: int) -> Resource:
        """Return a route configuration that answers with its version."""
        return Resource.pack(_table(name, str(version)))

    def bad(self, name: str, version: int) -> Resource:
        """Return one with its version and an invalid regular expression."""
        return Resource.pack(_table(name, str(version), bad=True))

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the versions that its ports answer."""
        return await self._each({name: _answer(port) for name, port in self.ports.items()})


class ScopedRoutes(Kind):
    """SRDS: bad ones contain a route configuration with an invalid regular expression."""

    url = SCOPED_ROUTE

    def base(self) -> Iterable[Resource]:
        """Yield a listener that selects the scope by a header."""
        manager = Manager()
        scopes = manager.scoped_routes
        scopes.name = "scopes"
        extractor = scopes.scope_key_builder.fragments.add().header_value_extractor
        extractor.name, extractor.index = "x-scope", 0
        scopes.rds_config_source.CopyFrom(ADS)
        scopes.scoped_rds.scoped_rds_config_source.CopyFrom(ADS)
        yield Resource.pack(_listener("l", self.ports["a"], manager))

    def good(self, name: str, version: int, bad: bool = False) -> Resource:
        """Return a scope with its version in its key."""
        made = scoped_route_pb2.ScopedRouteConfiguration(name=name)
        made.key.fragments.add(string_key=f"{name}{version}")
        made.route_configuration.CopyFrom(_table(f"r{name}", str(version), bad))
        return Resource.pack(made)

    def bad(self, name: str, version: int) -> Resource:
        """Return one with another key, too."""
        return self.good(name, version, bad=True)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the keys of Envoy's scopes."""
        dump = json.loads(await envoy.admin("/config_dump?resource=dynamic_scoped_route_configs"))
        scopes = [scope for each in dump.get("configs", ()) for scope in each.get("scoped_route_configs", ())]
        return {each["name"]: int(each["key"]["fragments"][0]["string_key"][1:]) for each in scopes}


class VirtualHosts(Kind):
    """VHDS: bad ones have an invalid regular expression."""

    url = VIRTUAL_HOST
    delta_only = True

    def base(self) -> Iterable[Resource]:
        """Return a route configuration with VHDS, and its listener."""
        table = route_pb2.RouteConfiguration(name="r")
        table.vhds.config_source.CopyFrom(ADS)
        table.virtual_hosts.add(name="own", domains=["own"])
        manager = Manager()
        manager.rds.route_config_name = "r"
        manager.rds.config_source.CopyFrom(ADS)
        on_demand = http_connection_manager_pb2.HttpFilter(name="envoy.filters.http.on_demand")
        on_demand.typed_config.Pack(on_demand_pb2.OnDemand())
        return Resource.pack(table), Resource.pack(_listener("l", self.ports["a"], manager, [on_demand]))

    def good(self, name: str, version: int, bad: bool = False) -> Resource:
        """Return a virtual host that answers with its version."""
        made = route_components_pb2.VirtualHost(name=f"r/{name}", domains=[name])
        _answering(made, str(version), bad)
        return replace(Resource.pack(made), aliases=frozenset({f"r/{name}"}))

    def bad(self, name: str, version: int) -> Resource:
        """Return one with its version and an invalid regular expression."""
        return self.good(name, version, bad=True)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the versions that Envoy's virtual hosts answer; a request for a rejected one would wait."""
        dump = json.loads(await envoy.admin("/config_dump?resource=dynamic_route_configs"))
        found = [host for each in dump.get("configs", ()) for host in each["route_config"]["virtual_hosts"]]
        answers = {each["name"][2:]: each["routes"][0] for each in found if each.get("routes")}
        return {name: int(each["direct_response"]["body"]["inline_string"]) for name, each in answers.items()}


class Clusters(Kind):
    """CDS: bad ones have a type without a load balancer, or an invalid CA certificate."""

    url = CLUSTER

    def good(self, name: str, version: int) -> Resource:
        """Return a cluster with its version as timeout."""
        return cluster(name, eds=False, timeout=version)

    def bad(self, name: str, version: int) -> Resource:
        """Return one of two kinds of bad clusters."""
        if name in "ace":
            return replace(invalid_cluster(name), version=f"bad{version}")
        made, context = cluster_pb2.Cluster.FromString(self.good(name, version).body), tls_pb2.UpstreamTlsContext()
        context.common_tls_context.validation_context.trusted_ca.inline_string = "none"
        made.transport_socket.name = "tls"
        made.transport_socket.typed_config.Pack(context)
        return Resource.pack(made)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the timeouts of Envoy's clusters."""
        dump = json.loads(await envoy.admin("/config_dump?resource=dynamic_active_clusters"))
        found = [each["cluster"] for each in dump.get("configs", ())]
        return {each["name"]: int(each["connect_timeout"].rstrip("s")) for each in found}


class Assignments(Kind):
    """EDS: bad ones have an invalid address."""

    url = ENDPOINT

    def base(self) -> Iterable[Resource]:
        """Return a cluster for each."""
        return map(cluster, NAMES)

    def good(self, name: str, version: int) -> Resource:
        """Return an assignment with its version as port."""
        return endpoints(name, version)

    def bad(self, name: str, version: int) -> Resource:
        """Return one with that port and an invalid address."""
        return endpoints(name, version, host="nowhere")

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the ports of Envoy's endpoints."""
        found = json.loads(await envoy.admin("/clusters?format=json"))["cluster_statuses"]
        return {
            each["name"]: each["host_statuses"][0]["address"]["socket_address"]["port_value"]
            for each in found
            if each["name"] in NAMES and each.get("host_statuses")
        }


@cache
def _pair(name: str, version: int) -> tuple[str, str]:
    return self_signed(f"{name}{version}")


class Secrets(Kind):
    """SDS: bad ones have an invalid certificate, or the key of another certificate."""

    url = SECRET

    def base(self) -> Iterable[Resource]:
        """Yield a listener for each."""
        for name, port in self.ports.items():
            made = _listener(f"l{name}", port, Manager(route_config=_table("own", name)))
            context = tls_pb2.DownstreamTlsContext()
            config = context.common_tls_context.tls_certificate_sds_secret_configs.add(name=name, sds_config=ADS)
            config.sds_config.initial_fetch_timeout.seconds = 1
            made.filter_chains[0].transport_socket.name = "tls"
            made.filter_chains[0].transport_socket.typed_config.Pack(context)
            yield Resource.pack(made)

    def good(self, name: str, version: int) -> Resource:
        """Return a certificate with its version in the subject."""
        return self._made(name, *_pair(name, version))

    def bad(self, name: str, version: int) -> Resource:
        """Return one of two kinds of bad certificates."""
        chain, key = _pair(name, version)
        if name in "ace":
            return self._made(name, chain, _pair(name, version + 100)[1])
        return self._made(name, chain.replace("CERTIFICATE-----\n", "CERTIFICATE-----\nMIIC", 1), key)

    def _made(self, name: str, chain: str, key: str) -> Resource:
        made = secret_pb2.Secret(name=name)
        made.tls_certificate.certificate_chain.inline_bytes = chain.encode()
        made.tls_certificate.private_key.inline_bytes = key.encode()
        return Resource.pack(made)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the versions of the certificates that its ports present."""
        return await self._each({name: self._shown(name, port) for name, port in self.ports.items()})

    async def _shown(self, name: str, port: int) -> int | None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except OSError:
            return None
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return next((each for each in range(1, 10) if ssl.PEM_cert_to_DER_cert(_pair(name, each)[0]) == shown), None)


class FilterConfigurations(Kind):
    """ECDS: bad ones have an invalid script."""

    url = EXTENSION_CONFIG

    def base(self) -> Iterable[Resource]:
        """Yield a listener with a filter for each."""
        for name, port in self.ports.items():
            own = http_connection_manager_pb2.HttpFilter(name=name)
            discovery = own.config_discovery
            discovery.config_source.CopyFrom(ADS)
            discovery.config_source.initial_fetch_timeout.seconds = 1
            for each in (lua_pb2.Lua, header_mutation_pb2.HeaderMutation):
                discovery.type_urls.append(f"type.googleapis.com/{each.DESCRIPTOR.full_name}")
            yield Resource.pack(_listener(f"l{name}", port, Manager(route_config=_table("own", name)), [own]))

    def good(self, name: str, version: int) -> Resource:
        """Return a filter that adds a header with its version."""
        mutation = header_mutation_pb2.HeaderMutation()
        added = mutation.mutations.response_mutations.add().append.header
        added.key, added.value = "x-version", str(version)
        made = extension_pb2.TypedExtensionConfig(name=name)
        made.typed_config.Pack(mutation)
        return Resource.pack(made)

    def bad(self, name: str, version: int) -> Resource:
        """Return a filter with an invalid script."""
        script = lua_pb2.Lua()
        script.default_source_code.inline_string = f"this is no script {version}"
        made = extension_pb2.TypedExtensionConfig(name=name)
        made.typed_config.Pack(script)
        return Resource.pack(made)

    async def used(self, envoy: Envoy) -> dict[str, int]:
        """Return the headers of its ports' responses."""
        return await self._each({name: _answer(port, header="x-version") for name, port in self.ports.items()})


KINDS: tuple[type[Kind], ...] = (
    Listeners,
    RouteConfigurations,
    ScopedRoutes,
    VirtualHosts,
    Clusters,
    Assignments,
    Secrets,
    FilterConfigurations,
)
