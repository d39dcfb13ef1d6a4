"""A controller's parts together: from what clients answer, and other replicas tell, to what the API server holds."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import aiohttp
import grpc
import grpc.aio

from headgate.cluster.controller import ControllerSettings, serve
from headgate.process.address import Address
from headgate.security.cluster_authority import SECRET, ClusterAuthority
from headgate.security.rotation import Authorities
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests import virtual_time
from tests.headgate.cluster.installation import Installation, world
from tests.headgate.cluster.shop import shop
from tests.headgate.cluster.test_incomplete_reads import PEM, PROXY
from tests.headgate.running import free_port
from tests.headgate.waiting import eventually
from tests.watchers.cluster_api import ClusterApi
from tests.xds.calls import DELTA, Call
from translator.api_group import CONTROLLER_NAME
from watchers.kubernetes.kubeconfig import Target
from xds.protocol.nacks import Nack, NackState
from xds.resources.types import CLUSTER, LISTENER
from xds.server.groups import SyncStatus

KEY = "shop/web"


def programmed(api: ClusterApi) -> dict[str, Any]:
    """Return the condition Programmed that the API server has of the listener `http`; nothing while there is none."""
    listeners = api.of("Gateway")["shop", "web"].get("status", {}).get("listeners", [])
    conditions = [each for listener in listeners if listener["name"] == "http" for each in listener["conditions"]]
    return next((each for each in conditions if each["type"] == "Programmed"), {"status": "", "message": ""})


def answered(installation: Installation, acked: int, *nacks: NackState) -> None:
    """Have the only client of a replica answer what is published there, or not yet."""
    snapshot = installation.published.snapshots[KEY]
    installation.published.report(KEY, SyncStatus(snapshot, 1, acked if not nacks else 0, nacks, acked))


def test_a_nack_comes_to_the_conditions() -> None:
    """What a client rejects is in the conditions of the listener and the route concerned, until it is acknowledged."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as made:
            await made.until(lambda: "status" in api.of("Gateway")["shop", "web"] and KEY in made.published.snapshots)
            name = next(name for name in made.published.snapshots[KEY].resources(CLUSTER) if "cart" in name)
            nacks = (Nack(CLUSTER, name, "no such thing"), Nack(LISTENER, "port-80", "in use"))
            answered(made, 1, *(NackState(each, None) for each in nacks))
            await made.until(lambda: "in use" in programmed(api)["message"])
            assert programmed(api)["message"] == "A proxy refused Listener port-80: in use"
            await made.until(lambda: "no such thing" in str(api.of("HTTPRoute")["shop", "cart"]["status"]))
            answered(made, 1)
            await made.until(lambda: programmed(api)["status"] == "True")
            await made.until(lambda: "no such thing" not in str(api.of("HTTPRoute")["shop", "cart"]["status"]))

    virtual_time.run(scenario())


def test_the_proxies_of_all_replicas_count() -> None:
    """A Gateway is programmed once the proxies of every replica have acknowledged, by what the replicas exchange."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as leader, Installation(api) as other, asyncio.TaskGroup() as group:
            exchanging = [group.create_task(each.controller.peers.run()) for each in (leader, other)]
            for each in (leader, other):
                await each.until(lambda each=each: each.ready() and KEY in each.published.snapshots)  # type: ignore[misc]
            if other.controller.leader.election.leading:
                leader, other = other, leader
            answered(leader, 1)
            answered(other, 0)
            await asyncio.sleep(5)
            answered(other, 0)
            await leader.until(lambda: programmed(api)["status"] == "False")
            assert "have not acknowledged" in programmed(api)["message"]
            answered(other, 1)
            await leader.until(lambda: programmed(api)["status"] == "True")
            for task in exchanging:
                task.cancel()

    virtual_time.run(scenario())


def test_what_others_undo_is_restored() -> None:
    """Proxies that somebody deletes are deployed again, and a status that somebody overwrites is written again."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as made:
            await made.until(lambda: PROXY in api.of("Deployment") and "status" in api.of("HTTPRoute")["shop", "cart"])
            await asyncio.sleep(60)
            api.remove("Deployment", *PROXY)
            await made.until(lambda: PROXY in api.of("Deployment"))
            route = api.of("HTTPRoute")["shop", "cart"]
            api.put({**route, "status": {"parents": []}})
            await made.until(lambda: api.of("HTTPRoute")["shop", "cart"]["status"] == route["status"])

    virtual_time.run(scenario())


async def test_a_controller_serves_by_tls() -> None:
    """Proxies reach the port with the authority's certificates alone, and get nothing without a token."""
    api, xds, admin = ClusterApi(), free_port(), free_port()
    world(api, shop(*PEM))
    local = Address("127.0.0.1", xds), Address("127.0.0.1", admin)
    settings = ControllerSettings(Target(), "", CONTROLLER_NAME, (), "", local[0], "", local[1], "", False)
    serving = asyncio.create_task(serve(settings, api))

    await eventually(lambda: serving.done() or PROXY in api.of("Deployment"))
    async with aiohttp.request("GET", f"http://127.0.0.1:{admin}/readyz") as response:
        assert response.status == 200
    trusted = b64decode(api.of("Secret")["headgate-system", SECRET]["data"]["ca.crt"])
    assert deployed(api, trusted.decode())
    channel = grpc.aio.secure_channel(f"localhost:{xds}", grpc.ssl_channel_credentials(trusted))
    call = Call(channel, DELTA)
    await call.request(CLUSTER, "*", node=base_pb2.Node(id="proxy", cluster=KEY))
    assert await call.status() == (grpc.StatusCode.UNAUTHENTICATED, "send a token: authorization: Bearer TOKEN")
    await channel.close()
    serving.cancel()
    await asyncio.wait({serving})
    assert serving.cancelled()


def replace(api: ClusterApi, authorities: Authorities) -> None:
    """Store other authorities."""
    data = {name: b64encode(value).decode() for name, value in authorities.data().items()}
    api.put({**api.of("Secret")["headgate-system", SECRET], "data": data})


def test_proxies_trust_the_authority_and_the_next_one() -> None:
    """The certificates of the authority are deployed with each proxy, and so are others once they are trusted."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        authority = ClusterAuthority(api, "headgate-system", ("headgate.headgate-system.svc",))
        await authority.load()
        async with Installation(api) as made:
            authority.add_event_handler(made.controller.trust)
            await made.until(lambda: PROXY in api.of("Deployment"))
            assert deployed(api, authority.trusted)
            before = authority.trusted
            replace(api, Authorities.new(datetime.now(UTC)))
            await authority.load()
            assert authority.trusted != before
            await made.until(lambda: deployed(api, authority.trusted))

    virtual_time.run(scenario())


def deployed(api: ClusterApi, certificates: str) -> bool:
    """Whether a ConfigMap of the proxies has each line of certificates in it."""
    texts = [text for each in api.of("ConfigMap").values() for text in each["data"].values()]
    return any(all(line in text for line in certificates.splitlines()) for text in texts)
