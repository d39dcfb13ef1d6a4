"""A whole controller: from ACKs, NACKs and records of other replicas to the objects at the API server."""

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
from watchers.kubernetes.kubeconfig import Target
from xds.protocol.nacks import Nack, NackState
from xds.resources.types import CLUSTER, LISTENER
from xds.server.groups import SyncStatus

KEY = "shop/web"


def programmed(api: ClusterApi) -> dict[str, Any]:
    """Return the condition Programmed of the listener `http` at the API server; empty while there is none."""
    listeners = api.of("Gateway")["shop", "web"].get("status", {}).get("listeners", [])
    conditions = [each for listener in listeners if listener["name"] == "http" for each in listener["conditions"]]
    return next((each for each in conditions if each["type"] == "Programmed"), {"status": "", "message": ""})


def report(installation: Installation, acked: int, *nacks: NackState) -> None:
    """Report the sync status of the published snapshot, of the only client of a replica."""
    snapshot = installation.published.snapshots[KEY]
    installation.published.report(KEY, SyncStatus(snapshot, 1, acked if not nacks else 0, nacks, acked))


def test_a_nack_is_in_the_conditions() -> None:
    """A NACK is in the conditions of the listener and the affected route, until an ACK follows."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as installation:
            await installation.until(
                lambda: "status" in api.of("Gateway")["shop", "web"] and KEY in installation.published.snapshots
            )
            name = next(name for name in installation.published.snapshots[KEY].resources(CLUSTER) if "cart" in name)
            nacks = (Nack(CLUSTER, name, "no such thing"), Nack(LISTENER, "port-80", "in use"))
            report(installation, 1, *(NackState(each, None) for each in nacks))
            await installation.until(lambda: "in use" in programmed(api)["message"])
            assert programmed(api)["message"] == "A proxy refused Listener port-80: in use"
            await installation.until(lambda: "no such thing" in str(api.of("HTTPRoute")["shop", "cart"]["status"]))
            report(installation, 1)
            await installation.until(lambda: programmed(api)["status"] == "True")
            await installation.until(lambda: "no such thing" not in str(api.of("HTTPRoute")["shop", "cart"]["status"]))

    virtual_time.run(scenario())


def test_the_proxies_of_all_replicas_count() -> None:
    """A Gateway is programmed once the proxies of every replica have acknowledged its snapshot."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as leader, Installation(api) as other, asyncio.TaskGroup() as group:
            exchanging = [group.create_task(each.controller.peers.run()) for each in (leader, other)]
            for each in (leader, other):
                await each.until(lambda each=each: each.ready() and KEY in each.published.snapshots)  # type: ignore[misc]
            if other.controller.leader.election.leading:
                leader, other = other, leader
            report(leader, 1)
            report(other, 0)
            await asyncio.sleep(5)
            report(other, 0)
            await leader.until(lambda: programmed(api)["status"] == "False")
            assert "have not acknowledged" in programmed(api)["message"]
            report(other, 1)
            await leader.until(lambda: programmed(api)["status"] == "True")
            for task in exchanging:
                task.cancel()

    virtual_time.run(scenario())


def test_changes_of_others_are_reverted() -> None:
    """Proxies that another client deletes are deployed again, and a status that it overwrites is written again."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        async with Installation(api) as installation:
            await installation.until(
                lambda: PROXY in api.of("Deployment") and "status" in api.of("HTTPRoute")["shop", "cart"]
            )
            await asyncio.sleep(60)
            api.remove("Deployment", *PROXY)
            await installation.until(lambda: PROXY in api.of("Deployment"))
            route = api.of("HTTPRoute")["shop", "cart"]
            api.put({**route, "status": {"parents": []}})
            await installation.until(lambda: api.of("HTTPRoute")["shop", "cart"]["status"] == route["status"])

    virtual_time.run(scenario())


async def test_a_controller_serves_by_tls() -> None:
    """The xDS port requires trust in the authority's certificate, and a token."""
    api, xds, admin = ClusterApi(), free_port(), free_port()
    world(api, shop(*PEM))
    local = Address("127.0.0.1", xds), Address("127.0.0.1", admin)
    settings = ControllerSettings(Target(), "", (), "", local[0], "", local[1], "")
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
    """Replace the authorities in the Secret."""
    data = {name: b64encode(value).decode() for name, value in authorities.data().items()}
    api.put({**api.of("Secret")["headgate-system", SECRET], "data": data})


def test_proxies_trust_the_authority_and_the_next_one() -> None:
    """The CA certificates are deployed with each proxy, also those of the next authority."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        authority = ClusterAuthority(api, "headgate-system", ("headgate.headgate-system.svc",))
        await authority.load()
        async with Installation(api) as installation:
            authority.add_event_handler(installation.controller.trust)
            await installation.until(lambda: PROXY in api.of("Deployment"))
            assert deployed(api, authority.trusted)
            before = authority.trusted
            replace(api, Authorities.new(datetime.now(UTC)))
            await authority.load()
            assert authority.trusted != before
            await installation.until(lambda: deployed(api, authority.trusted))

    virtual_time.run(scenario())


def deployed(api: ClusterApi, certificates: str) -> bool:
    """Return whether a ConfigMap of the proxies contains each line of these certificates."""
    texts = [text for each in api.of("ConfigMap").values() for text in each["data"].values()]
    return any(all(line in text for line in certificates.splitlines()) for text in texts)
