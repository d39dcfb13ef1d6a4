"""Virtual hosts on demand (VHDS), requested by the hosts of HTTP requests, which are their aliases."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from headgate_proto.envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.envoy_process import free_port, running_envoy
from tests.xds.sample_resources import ADS, listener
from tests.xds.status_recorder import StatusRecorder
from tests.xds.talk import Talk
from xds.resources.aliases import Aliased
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import VIRTUAL_HOST
from xds.server.server import Server, Timeouts


def host(name: str, *domains: str, answer: str = "hello") -> Resource:
    """Return a virtual host of the route configuration "t" that answers every request itself."""
    message = route_components_pb2.VirtualHost(name=f"t/{name}", domains=domains)
    route = message.routes.add()
    route.match.prefix = "/"
    route.direct_response.status = 200
    route.direct_response.body.inline_string = answer
    return Resource.pack(message, aliases=[f"t/{each}" for each in domains])


def response_of(talk: Talk) -> tuple[dict[str, list[str]], list[str]]:
    """Return the aliases of each resource in the next response, marked if there is none, and the removed names."""
    response = talk.session.next()
    assert response is not None
    talk.nonces[VIRTUAL_HOST] = response.nonce
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(response.data)
    found = {
        each.name: [*each.aliases, *([] if each.HasField("resource") else ["nothing"])] for each in message.resources
    }
    return found, list(message.removed_resources)


def test_a_resource_is_found_by_any_of_its_aliases() -> None:
    """An alias gets the resource under its own name, several aliases one entry, an unknown one an empty entry."""
    talk = Talk(host("shop", "a.org", "b.org"), delta=True)
    talk.request(VIRTUAL_HOST, "t/a.org", "t/b.org", "t/none.org")
    assert response_of(talk) == ({"t/shop": ["t/a.org", "t/b.org"], "t/none.org": ["t/none.org", "nothing"]}, [])
    talk.accept(VIRTUAL_HOST)
    talk.request(VIRTUAL_HOST, "t/shop")
    assert response_of(talk) == ({"t/shop": []}, [])


def test_changes_are_sent_by_requested_alias() -> None:
    """A changed resource, an alias with another resource, and one that no longer has any are sent."""
    shop, blog = host("shop", "a.org"), host("blog", "b.org")
    talk = Talk(shop, blog, delta=True)
    talk.request(VIRTUAL_HOST, "t/a.org")
    assert response_of(talk) == ({"t/shop": ["t/a.org"]}, [])
    talk.accept(VIRTUAL_HOST)
    talk.publish(shop, host("blog", "b.org", answer="new"))
    assert talk.response() is None
    talk.publish(host("shop", "a.org", answer="new"), blog)
    assert response_of(talk) == ({"t/shop": ["t/a.org"]}, [])
    talk.accept(VIRTUAL_HOST)
    talk.publish(host("shop", "c.org"), host("blog", "a.org", "b.org", answer="other"))
    assert response_of(talk) == ({"t/blog": ["t/a.org"]}, ["t/shop"])
    talk.accept(VIRTUAL_HOST)
    talk.publish()
    talk.now += 1
    talk.response()
    talk.now += 1
    assert response_of(talk) == ({}, ["t/blog"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [("a.b.org", "t/exact"), ("x.b.org", "t/near"), ("y.x.b.org", "t/near"), ("c.org", "t/far"), ("d.net", "t/any")],
)
def test_wildcard_aliases_match_like_domains(asked: str, found: str) -> None:
    """An exact alias counts before a wildcard, a longer wildcard before a shorter one, and `*` last."""
    hosts = [host("exact", "a.b.org"), host("near", "*.b.org"), host("far", "*.org"), host("any", "*")]
    named = Aliased({each.name: each for each in hosts})
    assert named[f"t/{asked}"].name == found
    assert "u/a.b.org" not in named
    assert list(named) == [each.name for each in hosts]


def on_demand(port: int) -> list[Resource]:
    """Return a listener with virtual hosts on demand, and its empty route configuration."""
    message = listener_pb2.Listener.FromString(listener("l", port, "t").body)
    http = message.filter_chains[0].filters[0]
    manager = http_connection_manager_pb2.HttpConnectionManager()
    http.typed_config.Unpack(manager)
    router = manager.http_filters.pop()
    manager.http_filters.add(name="envoy.filters.http.on_demand").typed_config.Pack(on_demand_pb2.OnDemand())
    manager.http_filters.append(router)
    http.typed_config.Pack(manager)
    table = route_pb2.RouteConfiguration(name="t")
    table.vhds.config_source.CopyFrom(ADS)
    return [Resource.pack(message), Resource.pack(table)]


async def test_an_envoy_requests_virtual_hosts_on_demand(envoy_path: Path) -> None:
    """A real Envoy gets a host when a request needs it, follows its changes, and answers 404 if there is none."""
    port, news = free_port(), StatusRecorder()
    async with Server(lambda node: node.cluster, on_sync_status=news, timeouts=Timeouts(removal_delay=0.1)) as server:
        base = on_demand(port)
        server.publish("gateway", Snapshot.of([*base, host("shop", "a.org"), host("wild", "*.b.org", answer="wild")]))
        async with running_envoy(envoy_path, server.port, delta=True) as envoy, aiohttp.ClientSession() as http:

            async def get(name: str) -> tuple[int, str]:
                async with http.get(f"http://127.0.0.1:{port}/", headers={"host": name}) as response:
                    return response.status, await response.text()

            await news.until(lambda each: each.synced == 1)
            await envoy.answers(port, "/", (404, ""))
            async with asyncio.timeout(10):
                assert await get("a.org") == (200, "hello")
                assert await get("x.b.org") == (200, "wild")
                assert (await get("none.net"))[0] == 404
                server.publish("gateway", last := Snapshot.of([*base, host("shop", "a.org", answer="changed")]))
                await news.until(lambda each: each.snapshot is last and each.synced == 1)
                assert await get("a.org") == (200, "changed")
