"""ListenerSets: listeners of several owners on one proxy, and who serves a host when these come and go."""

from __future__ import annotations

from tests.live.certificates import tls_secret
from tests.live.objects import GATEWAY, ROUTES, Manifest, gateway, route, rule
from tests.live.proxy import Proxy
from tests.live.test_https import ask, https
from translator.refs import Ref


def sharing_gateway(*listeners: Manifest) -> Manifest:
    """Return the Gateway, which lets ListenerSets of its namespace attach."""
    made = gateway(*listeners)
    made["spec"]["allowedListeners"] = {"namespaces": {"from": "Same"}}
    return made


def listener_set(name: str, *listeners: Manifest, created: str = "2026-01-01T00:00:00Z") -> Manifest:
    """Return a ListenerSet of the Gateway."""
    metadata = {"name": name, "creationTimestamp": created}
    spec = {"parentRef": {"name": GATEWAY}, "listeners": list(listeners)}
    return {"apiVersion": ROUTES, "kind": "ListenerSet", "metadata": metadata, "spec": spec}


def http(proxy: Proxy, hostname: str) -> Manifest:
    """Return an HTTP listener on the proxy's port for a host."""
    return {"name": "web", "protocol": "HTTP", "port": proxy.port, "hostname": hostname}


def set_route(backend: str, parent: str) -> Manifest:
    """Return a route of a ListenerSet to a backend."""
    made = route(rule(backend), name=parent)
    made["spec"]["parentRefs"] = [{"kind": "ListenerSet", "name": parent}]
    return made


async def answer(proxy: Proxy, host: str) -> str | int:
    """Return the backend that answers for a host, else the status."""
    response = await proxy.request(host=host)
    return response.backend if response.status == 200 else response.status


async def test_a_host_has_the_owner_with_precedence(proxy: Proxy) -> None:
    """The Gateway's listener serves its host, the older set's the other; the younger gets it when that one goes."""
    routes = [route(rule("alpha")), set_route("beta", "older"), set_route("gamma", "younger")]
    older = listener_set("older", http(proxy, "web.com"), {**http(proxy, "set.com"), "name": "own"})
    younger = listener_set("younger", http(proxy, "set.com"), created="2026-01-02T00:00:00Z")
    await proxy.apply(sharing_gateway(http(proxy, "web.com")), older, younger, *routes)
    assert [await answer(proxy, each) for each in ("web.com", "set.com", "other.com")] == ["alpha", "beta", 404]
    await proxy.delete(Ref("ListenerSet", "default", "older"))
    assert [await answer(proxy, each) for each in ("web.com", "set.com")] == ["alpha", "gamma"]
    await proxy.delete(Ref("ListenerSet", "default", "younger"))
    assert [await answer(proxy, each) for each in ("web.com", "set.com")] == ["alpha", 404]


async def test_sets_have_their_own_certificates(proxy: Proxy) -> None:
    """Each HTTPS listener of a port shows the certificate of its owner, and a Host of another owner gets 421."""
    secrets = [tls_secret("web", "web.com"), tls_secret("set", "set.com")]
    await proxy.apply(
        secrets,
        sharing_gateway(https(proxy, "web", "web.com")),
        listener_set("set", https(proxy, "web", "set.com", "set")),
        route(rule("alpha")),
        set_route("beta", "set"),
    )
    assert [await ask(proxy, "web.com", "web.com"), await ask(proxy, "set.com", "set.com")] == ["alpha", "beta"]
    assert [await ask(proxy, "web.com", "set.com"), await ask(proxy, "set.com", "web.com")] == [421, 421]
    assert [await ask(proxy, "web.com", "none.com"), await ask(proxy, "set.com", "none.com")] == [404, 404]
