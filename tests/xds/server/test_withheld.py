"""A resource that would end Envoy's process is not sent, and all others are."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from tests.xds.calls import Dial, serving
from tests.xds.sample_resources import cluster
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, EXTENSION_CONFIG


def authorizer(prefix: str, *, service: bool) -> ExtAuthz:
    """Return a filter, which has a service or not."""
    made = ExtAuthz(stat_prefix=prefix)
    if service:
        made.grpc_service.envoy_grpc.cluster_name = "authorizer"
    return made


def extension(name: str, message: Message) -> Resource:
    """Return a resource of extension discovery."""
    made = TypedExtensionConfig(name=name)
    made.typed_config.Pack(message)
    return Resource.pack(made)


def chain(message: Message) -> Message:
    """Return a chain of filters with the message."""
    made = FilterChainConfigPerRoute()
    made.filter_chain.filters.add(name="a").typed_config.Pack(message)
    return made


async def test_the_last_good_version_stays(dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    """Clients keep the resource of before, new clients get it too, and what else changed is sent; the log says so."""
    good = extension("a", chain(authorizer("first", service=True)))
    bad = extension("a", chain(authorizer("second", service=False)))
    async with serving() as server:
        server.publish("gateway", Snapshot.of([good, cluster("a")]))
        client = dial(server)
        for url in (EXTENSION_CONFIG, CLUSTER):
            await client.request(url, *(["a"] if url == EXTENSION_CONFIG else []))
            await client.request(url, nonce=(await client.response()).nonce)
        server.publish("gateway", Snapshot.of([bad, cluster("a"), cluster("b")]))
        changed = await client.response()
        assert (changed.type_url, [each.name for each in changed.resources]) == (CLUSTER, ["b"])
        await client.request(CLUSTER, nonce=changed.nonce)

        late = dial(server)
        await late.request(EXTENSION_CONFIG, "a")
        assert [each.version for each in (await late.response()).resources] == [good.version]

        mended = extension("a", chain(authorizer("third", service=True)))
        server.publish("gateway", Snapshot.of([mended, cluster("a"), cluster("b")]))
        assert [each.version for each in (await client.response()).resources] == [mended.version]
    assert f"{EXTENSION_CONFIG} a: typed_config.filter_chain.filters[0].typed_config: must have grpc_service" in (
        caplog.text
    )


async def test_what_was_never_good_is_not_sent(dial: Dial) -> None:
    """A resource that has no good version is missing, and others of its type are sent."""
    async with serving() as server:
        resources = [extension("a", authorizer("a", service=False)), extension("b", authorizer("b", service=True))]
        server.publish("gateway", Snapshot.of(resources))
        client = dial(server)
        await client.request(EXTENSION_CONFIG, "a", "b")
        found = await client.response()
        assert [each.name for each in found.resources if each.HasField("resource")] == ["b"]
