"""Reads that fail or are forbidden: the controller deletes nothing that it cannot verify."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests import virtual_time
from tests.certificates import self_signed
from tests.headgate.cluster.installation import Installation, world
from tests.headgate.cluster.shop import gateway, namespace, policy, route, secret, shop
from tests.watchers.cluster_api import ClusterApi, Raw, Request
from translator.refs import Ref
from watchers.kubernetes.errors import ApiError
from xds.resources.types import LISTENER

PEM = [base64.b64encode(each.encode()).decode() for each in self_signed("shop", "shop.example.com")]
PROXY = ("shop", "headgate-web")


def forbidden(request: Request) -> ApiError:
    """Return the API server's error for a missing permission."""
    message = f'{request.plural} is forbidden: User "headgate" cannot {request.verb} resource "{request.plural}"'
    return ApiError("GET", 403, "Forbidden", message)


def deny(*verbs: str, plural: str) -> Callable[[Request], object]:
    """Return a fault that denies verbs on a kind."""

    async def fault(request: Request) -> None:
        if request.plural == plural and request.verb in verbs:
            raise forbidden(request)

    return fault


async def running(api: ClusterApi) -> dict[tuple[str, str, str], Raw]:
    """Serve a cluster by a controller, stop it, and return the objects of the cluster."""
    world(api, shop(PEM[0], PEM[1]))
    async with Installation(api) as good:
        await good.until(lambda: PROXY in api.of("Deployment") and "status" in api.of("Gateway")["shop", "web"])
        await good.until(lambda: all("status" in each for each in api.of("HTTPRoute").values()))
        assert len(good.published.snapshots["shop/web"]) > 5
    return dict(api.objects)


@pytest.mark.parametrize("fault", ["busy", "denied", "slow"])
def test_a_secret_that_cannot_be_read_is_not_absent(fault: str) -> None:
    """After a restart, a Gateway waits for its Secret as long as it cannot be read; other Gateways do not wait."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, [gateway("inner", "stock"), secret(PEM[0], PEM[1], "stock")])
        await running(api)
        read = asyncio.Event()

        async def meet(request: Request) -> None:
            if (request.verb, request.plural, request.namespace) == ("get", "secrets", "shop") and not read.is_set():
                if fault == "slow":
                    await read.wait()
                raise forbidden(request) if fault == "denied" else ApiError("GET", 429, "TooManyRequests")

        api.fault = meet
        async with Installation(api) as again:
            await again.until(again.ready)
            await asyncio.sleep(300)
            assert {key for key, _ in again.published.history} == {"stock/inner"}
            assert not again.controller.plane.translator.serves_nothing(Ref("Gateway", "shop", "web"))
            assert api.of("Gateway")["shop", "web"]["status"]["listeners"][1]["conditions"]
            read.set()
            await again.until(lambda: "shop/web" in again.published.snapshots)
            first = next(each for key, each in again.published.history if key == "shop/web")
            assert first is not None
            assert {"port-80", "port-443"} <= set(first.resources(LISTENER))

    virtual_time.run(scenario())


def test_without_permission_to_list_namespaces_nothing_changes() -> None:
    """While the namespaces to watch cannot be listed, no object counts as absent, and the controller is not ready."""

    async def scenario() -> None:
        api = ClusterApi()
        before = await running(api)
        api.fault = deny("list", "watch", plural="namespaces")
        async with Installation(api, "team") as limited:
            await limited.until(lambda: limited.controller.plane.translator.nothing_synced)
            with contextlib.suppress(TimeoutError):
                await limited.until(limited.ready)
            assert api.objects.keys() >= before.keys()
            assert not limited.ready()
            api.fault = None
            await limited.until(lambda: limited.published.snapshots)
            assert limited.ready()
        assert api.objects.keys() >= before.keys()

    virtual_time.run(scenario())


def test_installations_of_one_controller_name_do_not_interfere() -> None:
    """An installation of other namespaces deletes only the objects of deleted Gateways, and no copies of objects."""

    async def scenario() -> None:
        api = ClusterApi()
        before = await running(api)
        copy = json.loads(json.dumps(before["services", "shop", "headgate-web"]))
        copy["metadata"] = {"name": "copy", "namespace": "shop", "labels": copy["metadata"]["labels"]}
        api.put(copy)
        async with Installation(api, "team=stock", "other") as other, Installation(api, "team=shop") as own:
            await other.until(other.ready)
            await own.until(own.ready)
            await asyncio.sleep(300)
            assert api.objects.keys() >= before.keys()
            api.put(namespace("shop", team="none"))  # no installation watches it now: its proxies still run
            await own.until(lambda: not own.published.snapshots)
            await asyncio.sleep(300)
            assert api.objects.keys() >= before.keys()
            api.remove("Gateway", "shop", "web")
            api.put(namespace("shop", team="shop"))
            await own.until(lambda: PROXY not in api.of("Deployment"))
            assert ("shop", "copy") in api.of("Service")

    virtual_time.run(scenario())


def test_a_gateway_of_another_class_loses_its_proxies() -> None:
    """The proxies of a Gateway whose class changes to another controller's are deleted."""

    async def scenario() -> None:
        api = ClusterApi()
        await running(api)
        other = json.loads(json.dumps(api.of("GatewayClass")["", "headgate"]))
        other["metadata"]["name"], other["spec"] = "other", {"controllerName": "example.com/other"}
        api.put(other)
        async with Installation(api) as own:
            await own.until(own.ready)
            moved = gateway("web")
            moved["spec"]["gatewayClassName"] = "other"
            api.put(moved)
            await own.until(lambda: PROXY not in api.of("Deployment"))

    virtual_time.run(scenario())


@pytest.mark.parametrize("plural", ["httproutes", "services", "endpointslices", "referencegrants"])
def test_a_namespace_is_added_and_removed_as_a_whole(plural: str) -> None:
    """A newly selected namespace waits for its last kind, others do not; a deselected one is removed at once."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, [gateway("inner", "stock"), secret(PEM[0], PEM[1], "stock")])
        await running(api)
        api.put(namespace("shop"))
        before = json.dumps([api.of("Gateway")["shop", "web"]["status"], api.of("HTTPRoute")["shop", "cart"]["status"]])
        listed, deposed = asyncio.Event(), asyncio.Event()

        async def meet(request: Request) -> None:
            if (request.verb, request.plural, request.namespace) == ("list", plural, "shop"):
                await listed.wait()
            if request.plural == "leases" and deposed.is_set():
                raise ApiError(request.verb, 500, "InternalError")

        api.fault = meet
        async with Installation(api, "team") as own:
            await own.until(own.ready)
            api.put(namespace("shop", team="shop"))
            await asyncio.sleep(1)
            deposed.set()  # a new leader compares all statuses
            await own.until(lambda: not own.controller.leader.election.leading)
            deposed.clear()
            await own.until(lambda: own.controller.leader.election.leading)
            await asyncio.sleep(60)
            assert {key for key, _ in own.published.history} == {"stock/inner"}
            statuses = [api.of("Gateway")["shop", "web"]["status"], api.of("HTTPRoute")["shop", "cart"]["status"]]
            assert json.dumps(statuses) == before
            changed = gateway("inner", "stock")
            changed["spec"]["listeners"][0]["port"] = 81
            api.put(changed)
            await own.until(lambda: "port-81" in own.published.snapshots["stock/inner"].resources(LISTENER))
            listed.set()
            await own.until(lambda: "shop/web" in own.published.snapshots)
            whole = {each.reference for each in own.published.snapshots["shop/web"]}
            await asyncio.sleep(10)
            api.put(namespace("shop"))
            await own.until(lambda: "shop/web" not in own.published.snapshots)
            shown = [each for key, each in own.published.history if key == "shop/web"]
            assert all({each.reference for each in snapshot} == whole for snapshot in shown[:-1] if snapshot)
            assert shown[-1] is None
            assert None not in shown[:-1]
            assert PROXY in api.of("Deployment")

    virtual_time.run(scenario())


@pytest.mark.parametrize("fault", ["denied", "busy"])
def test_a_waiting_namespace_is_reported(fault: str) -> None:
    """A diagnostic names the kind that a namespace waits for, and is resolved when the kind can be listed."""

    async def scenario() -> None:
        api = ClusterApi()
        await running(api)
        api.put(namespace("shop"))

        async def meet(request: Request) -> None:
            if (request.verb, request.plural) == ("list", "httproutes"):
                raise forbidden(request) if fault == "denied" else ApiError("list httproutes", 429, "TooManyRequests")

        async with Installation(api, "team") as own:
            await own.until(own.ready)
            api.fault = meet
            api.put(namespace("shop", team="shop"))
            await asyncio.sleep(60)
            assert "shop/web" not in own.published.snapshots
            assert "the namespace shop" in " ".join(map(str, own.controller.cluster.diagnostics))
            api.fault = None
            await own.until(lambda: "shop/web" in own.published.snapshots)
            assert not own.controller.cluster.diagnostics

    virtual_time.run(scenario())


NEWER = ("grpcroutes", "trafficpolicies", "listenersets")
"""The plurals of kinds that an older release did not read, and that every Gateway needs."""


@pytest.mark.parametrize("later", [(), NEWER])
def test_kinds_that_are_not_installed_have_no_objects(later: tuple[str, ...]) -> None:
    """A controller serves without the definitions of newer kinds, and reads their objects once these are installed."""

    async def scenario() -> None:
        api = ClusterApi()
        await running(api)
        api.not_installed = frozenset({*NEWER, "directresponses", "gatewayparameters"})
        with capture_logs() as logs:
            async with Installation(api) as own:
                await own.until(lambda: own.controller.leader.election.leading)
        async with Installation(api) as own:
            await own.until(lambda: own.ready() and "shop/web" in own.published.snapshots)
            api.put(route("more", "web", "cart"))
            await own.until(lambda: "status" in api.of("HTTPRoute")["shop", "more"])
            assert own.controller.cluster.diagnostics == ()
            assert [each["kinds"] for each in logs if "kinds" in each] == [
                "ListenerSet GRPCRoute DirectResponse TrafficPolicy GatewayParameters"
            ]
            api.not_installed -= frozenset(later)
            api.put({**route("more", "web", "cart"), "kind": "GRPCRoute"})
            api.put(policy("more", "HTTPRoute"))
            await asyncio.sleep(60)
            assert ("status" in api.of("GRPCRoute")["shop", "more"]) == bool(later)
            assert ("status" in api.of("TrafficPolicy")["shop", "more"]) == bool(later)

    virtual_time.run(scenario())


@pytest.mark.parametrize("plural", NEWER)
def test_a_role_of_an_older_release_is_reported(plural: str) -> None:
    """Before a role allows to list a newer kind, a new replica serves nothing and changes nothing; then all is served.

    What an object of the kind says, as a policy that keeps requests out, is not known. The replica is not ready, so
    that a rollout waits for it, and proxies stay connected to replicas of the older release.
    """
    call = {**route("more", "web", "cart"), "kind": "GRPCRoute"}

    async def scenario() -> None:
        api = ClusterApi()
        await running(api)
        api.fault = deny("list", "watch", plural=plural)
        async with Installation(api) as own:
            await asyncio.sleep(200)
            for each in (route("more", "web", "cart"), policy("more", "HTTPRoute"), call):
                api.put(each)
            before = dict(api.objects)
            await asyncio.sleep(100)
            assert (own.ready(), own.published.history, api.objects) == (False, [], before)
            (diagnostic,) = own.controller.cluster.diagnostics
            assert f"may not list {plural}" in diagnostic.message
            assert "grant the verbs get, list and watch" in diagnostic.message
            api.fault = None
            await own.until(own.ready)
            assert not own.controller.cluster.diagnostics
            kinds = ("HTTPRoute", "GRPCRoute", "TrafficPolicy")
            await own.until(lambda: all("status" in api.of(each)["shop", "more"] for each in kinds))

    virtual_time.run(scenario())
