"""Filters of listeners: they run in order, before a route is chosen, and never past the units of that route."""

from __future__ import annotations

from typing import Any

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.certificates import client, tls_secret
from tests.live.clients import client_at
from tests.live.http2 import statuses
from tests.live.objects import (
    GATEWAY,
    ROUTES,
    Manifest,
    gateway,
    prefix,
    route,
    rule,
    traffic_policy,
)
from tests.live.processor import Processor, answer, extension, headers_of, immediate
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from tests.live.websockets import shout, talk

HEADGATE = "gateway.headgate.dev"


def filtered(port: int, *names: str, listener: str = "http", **fields: Any) -> Manifest:
    """Return a listener with the GatewayExtensions of these names as filters."""
    references = [{"group": HEADGATE, "kind": "GatewayExtension", "name": each} for each in names]
    requests = [{"type": "ExtensionRef", "extensionRef": each} for each in references]
    return {"name": listener, "protocol": "HTTP", "port": port, "filters": {"requests": requests}, **fields}


def setting(**headers: str) -> Any:
    """Return what a processor responds that sets headers of requests; `path` is the path."""

    async def decide(phase: str, _: ProcessingRequest) -> ProcessingResponse | None:
        names = {"path": ":path", "host": ":authority"}
        changes = {names.get(name, f"x-{name}"): value for name, value in headers.items()}
        return answer(phase, set=changes) if phase == "request_headers" else None

    return decide


def by_header(value: str, backend: str) -> Manifest:
    """Return a rule for requests with a value of X-Tenant."""
    return rule(backend, matches=[prefix("/", headers=[{"name": "x-tenant", "value": value}])])


async def test_they_run_before_a_route_is_chosen(proxy: Proxy, one: Processor) -> None:
    """Routes match what filters have made of a request: its headers and its path."""
    one.decide = setting(tenant="red")
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(by_header("red", "beta"), rule("alpha")))
    found = await proxy.request("/a?b=c", headers={"X-Tenant": "blue"})
    assert (found.backend, found.path, found.sent("x-tenant")) == ("beta", "/a?b=c", ["red"])
    one.decide = setting(path="/new")
    await proxy.apply(route(rule("gamma", matches=[prefix("/new")]), rule("alpha")))
    assert (await proxy.request("/old")).backend == "gamma"


async def test_they_run_in_order(proxy: Proxy, one: Processor, two: Processor) -> None:
    """Each filter has what those before it have made of the request; one that responds ends it."""

    def appending(letter: str) -> Any:
        async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
            if phase != "request_headers":
                return None
            before = headers_of(found.request_headers.headers).get("x-order", "")
            return answer(phase, set={"x-order": before + letter})

        return decide

    one.decide, two.decide = appending("1"), appending("2")
    for names, order in (("one", "two", "one"), "121"), (("two", "one"), "21"):
        await proxy.apply(gateway(filtered(proxy.port, *names)), route(rule("alpha")))
        assert (await proxy.request()).sent("x-order") == [order]

    async def refuse(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return immediate(401, "who")

    one.decide = refuse
    two.reset()
    await proxy.apply(gateway(filtered(proxy.port, "one", "two")))
    found = await proxy.request()
    assert (found.status, found.body) == (401, b"who")
    assert "request_headers" not in two.phases


async def test_they_run_for_every_request(proxy: Proxy, one: Processor) -> None:
    """Requests that no route matches pass them too; what they refuse is not told to be missing."""
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha", matches=[prefix("/there")])))
    assert (await proxy.request("/missing")).status == 404
    assert one.streams == 1

    async def refuse(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return immediate(403)

    one.decide = refuse
    assert (await proxy.request("/missing")).status == 403


async def test_never_past_the_units_of_the_route(proxy: Proxy, one: Processor, beta: Upstream) -> None:
    """All policies of the route that is chosen after the filters are in effect: nothing is opened, or missing."""
    one.decide = setting(tenant="red", path="/moved")
    csrf = traffic_policy("route", csrf={}, headerModifiers={"request": {"set": [{"name": "x-route", "value": "1"}]}})
    await proxy.apply(gateway(filtered(proxy.port, "one")), csrf, route(by_header("red", "beta"), rule("alpha")))
    found = await proxy.request(method="POST", headers={"Origin": "http://example.com"})
    assert (found.backend, found.path, found.sent("x-route")) == ("beta", "/moved", ["1"])
    beta.reset()
    assert (await proxy.request(method="POST", headers={"Origin": "https://evil.com"})).status == 403
    assert beta.seen == []


async def test_the_host_stays(proxy: Proxy, one: Processor) -> None:
    """A filter does not change the Host, nor the listener: its change is left out."""
    one.decide = setting(host="other.com")
    listeners = [filtered(proxy.port, "one", hostname="one.com"), {**filtered(proxy.port), "name": "other"}]
    await proxy.apply(gateway(*listeners), route(rule("alpha"), section="http"))
    await proxy.apply(route(rule("beta"), name="other", section="other"))
    found = (await proxy.request(host="one.com")).echo
    assert (found["backend"], dict(found["headers"])["host"]) == ("alpha", "one.com")


async def test_of_one_listener_of_a_port(proxy: Proxy, one: Processor) -> None:
    """Only requests of the listener pass its filters: those of others on its port, narrower or wider, do not."""
    listeners = [
        {"name": "wide", "protocol": "HTTP", "port": proxy.port},
        filtered(proxy.port, "one", listener="mid", hostname="*.example.com"),
        {"name": "narrow", "protocol": "HTTP", "port": proxy.port, "hostname": "a.example.com"},
    ]
    routes = [route(rule(name), name=section, section=section) for name, section in
              (("alpha", "wide"), ("beta", "mid"), ("gamma", "narrow"))]  # fmt: skip
    await proxy.apply(gateway(*listeners), *routes)
    for host, backend, streams in (
        ("other.com", "alpha", 0),
        ("a.example.com", "gamma", 0),
        ("a.example.com:1234", "gamma", 0),
        ("A.EXAMPLE.COM", "gamma", 0),
        ("a.example.com.", "gamma", 0),
        ("b.example.com", "beta", 1),
        ("b.a.example.com", "beta", 2),
        ("B.example.com.", "beta", 3),
        ("b.example.com:80", "beta", 4),
    ):
        found = await proxy.request(host=host)
        assert (found.backend, one.streams) == (backend, streams), host
        assert found.sent("host") == [host]


async def test_hosts_of_no_listener(proxy: Proxy, one: Processor) -> None:
    """A request for a host that no listener has gets 404, and passes no filter."""
    await proxy.apply(gateway(filtered(proxy.port, "one", hostname="one.com")), route(rule("alpha")))
    assert (await proxy.request(host="two.com")).status == 404
    assert one.streams == 0


async def test_what_backends_see_stays(proxy: Proxy, one: Processor) -> None:
    """A backend sees a request as without filters: its client, scheme, host, headers and body, and no header more."""
    await proxy.apply(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}), route(rule("alpha")))
    spoofed = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-A": "b", "X-Envoy-Internal": "true"}

    async def send() -> tuple[dict[str, Any], dict[str, str]]:
        found = await proxy.request("/a%20b?c", method="PUT", headers=spoofed, body=b"body" * 1000)
        echo = found.echo
        echo["headers"] = sorted([name, value] for name, value in echo["headers"] if name != "x-request-id")
        return echo, {name: value for name, value in found.headers.items() if name.lower() != "date"}

    without = await send()
    await proxy.apply(gateway(filtered(proxy.port, "one")))
    assert await send() == without
    assert one.streams == 1


async def test_what_cannot_be_had(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """A filter whose extension is missing, or of another kind, answers with 500 at its place; the listener says why."""
    wrong = filtered(proxy.port, "one", "two")
    wrong["filters"]["requests"][1]["extensionRef"] |= {"kind": "TrafficPolicy"}
    for listener, words in (
        (
            filtered(proxy.port, "one", "lost"),
            "filters.requests[1].extensionRef: GatewayExtension default/lost does not",
        ),
        (wrong, "filters.requests[1].extensionRef: a TrafficPolicy.gateway.headgate.dev is no filter of a listener"),
    ):
        one.reset()
        await proxy.apply(gateway(listener), route(rule("alpha")))
        assert ((await proxy.request()).status, one.streams, alpha.seen) == (500, 1, [])
        conditions = proxy.status("Gateway", "live")["listeners"][0]["conditions"]
        found = next(each for each in conditions if each["type"] == "ResolvedRefs")
        assert (found["status"], found["reason"]) == ("False", "InvalidListenerFilterRef")
        assert words in found["message"]


async def test_a_processor_that_fails(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """While a filter fails no request gets through, unless its extension says that it fails open."""

    async def fail(_: str, __: ProcessingRequest) -> ProcessingResponse:
        raise RuntimeError

    one.decide = fail
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha")))
    assert ((await proxy.request()).status, alpha.seen) == (500, [])
    await proxy.apply(extension("one", failOpen=True))
    assert (await proxy.request()).backend == "alpha"


async def test_they_come_and_go(proxy: Proxy, one: Processor) -> None:
    """Filters are in effect from the moment that the configuration is; without them there is one manager again."""
    for names, streams in ((), 0), (("one",), 1), ((), 1), (("one",), 2):
        await proxy.apply(gateway(filtered(proxy.port, *names)), route(rule("alpha")))
        assert ((await proxy.request()).backend, one.streams) == ("alpha", streams)


async def test_an_edit_of_a_filter_changes_no_listener(proxy: Proxy, one: Processor, two: Processor) -> None:
    """What the filters are is in a RouteConfiguration: connections of clients outlive edits."""
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha")))
    listeners = {each for each in proxy.snapshot if each.type_url.endswith("Listener")}
    await proxy.apply(gateway(filtered(proxy.port, "two", "one")), extension("one", messageTimeout="9s"))
    assert {each for each in proxy.snapshot if each.type_url.endswith("Listener")} == listeners


def https(port: int, name: str, hostname: str, *filters: str) -> Manifest:
    """Return an HTTPS listener with filters."""
    tls = {"certificateRefs": [{"name": "all"}]}
    return filtered(port, *filters, listener=name, hostname=hostname) | {"protocol": "HTTPS", "tls": tls}


async def test_https(proxy: Proxy, one: Processor) -> None:
    """A listener with TLS has all requests on its connections pass; hosts of others are misdirected as without."""
    listeners = [https(proxy.port, "a", "a.org", "one"), https(proxy.port, "b", "*.b.org")]
    routes = [route(rule("alpha"), name="a", section="a"), route(rule("beta"), name="b", section="b")]
    await proxy.apply(tls_secret("all", "a.org"), gateway(*listeners), *routes)
    for name, host, answered, streams in (
        ("a.org", "a.org", 200, 1),
        ("a.org", "x.b.org", 421, 2),
        ("a.org", "unknown.org", 404, 3),
        ("x.b.org", "x.b.org", 200, 3),
        ("x.b.org", "a.org", 421, 3),
    ):
        found = await proxy.request(host=host, ssl=client(), server_hostname=name)
        assert (found.status, one.streams) == (answered, streams), (name, host)
        if answered == 200:
            assert found.sent("x-forwarded-proto") == ["https"]
    assert await statuses(proxy.port, client("h2"), "a.org", "a.org", "x.b.org", "a.org") == [200, 421, 200]
    assert one.streams == 6


async def test_websockets(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """A request that opens a WebSocket passes filters, and then goes through both ways."""
    alpha.raw = shout
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha")))
    assert await talk(proxy, "/chat?x=1", "one", "two") == ["ONE", "TWO"]
    assert one.streams == 1


async def test_long_bodies(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """Bodies of any length go through, and up to a mebibyte a filter has them as a whole."""
    body = b"0123456789" * 100_000
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha")))
    for fields in {}, {"processingMode": {"requestBodyMode": "BUFFERED"}}:
        await proxy.apply(extension("one", **fields))
        assert (await proxy.request(method="POST", body=body)).backend == "alpha"
        assert alpha.seen[-1].body == body
    assert one.request("request_body").request_body.body == body
    longer = body * 10
    assert (await proxy.request(method="POST", body=longer)).status == 413
    await proxy.apply(extension("one"))
    assert (await proxy.request(method="POST", body=longer)).backend == "alpha"
    assert alpha.seen[-1].body == longer


async def test_of_listener_sets(proxy: Proxy, one: Processor) -> None:
    """A ListenerSet's listeners have filters too, of its own namespace, beside those of the Gateway on the port."""
    shared = gateway({"name": "http", "protocol": "HTTP", "port": proxy.port, "hostname": "a.com"})
    shared["spec"]["allowedListeners"] = {"namespaces": {"from": "Same"}}
    listener = filtered(proxy.port, "one", listener="web", hostname="b.com")
    listener_set = {
        "apiVersion": ROUTES,
        "kind": "ListenerSet",
        "metadata": {"name": "set"},
        "spec": {"parentRef": {"name": GATEWAY}, "listeners": [listener]},
    }
    of_set = route(rule("beta"), name="of-set")
    of_set["spec"]["parentRefs"] = [{"kind": "ListenerSet", "name": "set"}]
    await proxy.apply(shared, listener_set, of_set, route(rule("alpha")))
    assert ((await proxy.request(host="a.com")).backend, one.streams) == ("alpha", 0)
    assert ((await proxy.request(host="b.com")).backend, one.streams) == ("beta", 1)


async def test_policies_of_the_gateway(proxy: Proxy, one: Processor, two: Processor, alpha: Upstream) -> None:
    """A Gateway's policy is in effect behind the filters, once for each request."""
    one.decide = setting(tenant="red")
    policy = traffic_policy("gateway", csrf={}, extProc=[{"name": "two", "extensionRef": {"name": "two"}}])
    await proxy.apply(gateway(filtered(proxy.port, "one")), policy, route(rule("alpha")))
    assert (await proxy.request()).backend == "alpha"
    assert headers_of(two.request("request_headers").request_headers.headers)["x-tenant"] == "red"
    assert (one.streams, two.streams) == (1, 1)
    assert (await proxy.request(method="POST", headers={"Origin": "https://evil.com"})).status == 403
    assert (one.streams, len(alpha.seen)) == (2, 1)


async def test_a_listener_that_validates_clients(proxy: Proxy, one: Processor) -> None:
    """A listener whose clients show certificates has no filters: its routes' policies would not see these."""
    made = gateway(https(proxy.port, "a", "a.org", "one"))
    authorities = [{"group": "", "kind": "ConfigMap", "name": "ca"}]
    made["spec"]["tls"] = {"frontend": {"default": {"validation": {"caCertificateRefs": authorities}}}}
    await proxy.apply(tls_secret("all", "a.org"), made, route(rule("alpha")))
    conditions = proxy.status("Gateway", GATEWAY)["listeners"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == "Accepted")
    assert (found["status"], found["reason"]) == ("False", "InvalidListenerFilter")
    assert "a listener that validates the certificates of clients" in found["message"]


async def test_a_request_that_is_moved_behind_filters(proxy: Proxy, one: Processor, two: Processor) -> None:
    """A processor of a route that has it chosen anew does not get past protection behind filters either."""
    two.decide = setting(path="/guarded")
    moving = {"name": "two", "extensionRef": {"name": "two"}, "failOpen": True}
    reference = {"group": HEADGATE, "kind": "TrafficPolicy", "name": "csrf"}
    csrf = traffic_policy("route", "csrf", csrf={})
    del csrf["spec"]["targetRefs"]
    guarded = rule("beta", matches=[prefix("/guarded")], filters=[{"type": "ExtensionRef", "extensionRef": reference}])
    await proxy.apply(
        gateway(filtered(proxy.port, "one")),
        extension("two", routeCacheAction="Clear"),
        csrf,
        traffic_policy("route", extProc=[moving]),
        route(guarded, rule("alpha")),
    )
    assert (await proxy.request("/open", method="POST", headers={"Origin": "http://example.com"})).status == 403
    assert (await proxy.request("/guarded", method="POST", headers={"Origin": "http://example.com"})).backend == "beta"


async def test_addresses_of_clients(proxy: Proxy, one: Processor) -> None:
    """Conditions on addresses are on that of the client, with filters too, whatever X-Forwarded-For says of it."""
    lists = {"defaultAction": "Allow", "rules": [{"action": "Deny", "cidrs": ["127.0.0.9"]}]}
    await proxy.apply(gateway(filtered(proxy.port, "one")), traffic_policy("gateway", acl=lists), route(rule("alpha")))
    for source, status in ("127.0.0.8", 200), ("127.0.0.9", 403):
        for forwarded in {}, {"X-Forwarded-For": "127.0.0.8"}, {"X-Forwarded-For": "127.0.0.9"}:
            async with client_at(source) as http:
                found = await proxy.request(headers=forwarded, http=http)
            assert found.status == status, (source, forwarded)
