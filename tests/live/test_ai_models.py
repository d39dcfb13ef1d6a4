"""ModelRoutes: the model that a body names decides the route, and nothing else that a client says."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from tests.live.model_routes import ask, at_models, model_route, models, post
from tests.live.objects import GATEWAY, ROUTES, gateway
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Seen, Upstream
from tests.live.websockets import shout, talk

LONG = 8 << 20


RULES = (
    models("gpt-*", to="alpha"),
    models("gpt-4o", "org/own", to="beta"),
    models("gpt-4o-*", to="gamma"),
)


@pytest.mark.parametrize(
    ("model", "backend"),
    [("gpt-4o", "beta"), ("org/own", "beta"), ("gpt-4o-mini", "gamma"), ("gpt-5", "alpha"), ("gpt-", "alpha")],
)
async def test_the_most_specific_rule(proxy: Proxy, model: str, backend: str) -> None:
    """The name of a model goes before its beginnings, of which the longest counts; backends hear the name."""
    await proxy.apply(model_route(*RULES))
    for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/messages", "/v1/completions"):
        found = await ask(proxy, model, path)
        assert (found.backend, found.path, found.sent("x-gateway-model-name")) == (backend, path, [model])


@pytest.mark.parametrize("own", ["gpt-4o", "gpt-5", ""])
async def test_no_rule_for_a_model(proxy: Proxy, own: str) -> None:
    """Where no rule is for a model, nor one without models, the answer is 404, whatever header the client sends."""
    await proxy.apply(model_route(*RULES))
    for model in ("gpt", "GPT-4o", "", None, 4, ["gpt-4o"], "gpt-4o\n", "x" * 5000):
        found = await ask(proxy, model, X_Gateway_Model_Name=own)
        error = json.loads(found.body)["error"]
        assert (found.status, found.headers["content-type"]) == (404, "application/json")
        assert error["code"] == "model_not_found"


async def test_requests_without_a_model(proxy: Proxy) -> None:
    """What names no model goes where the rule without models says; what is no JSON is refused."""
    await proxy.apply(model_route(*RULES, models(to="alpha")))
    for body in (b"", b"{}", b"[]", b'{"model": null}', b'{"a": {"model": "gpt-4o"}}'):
        found = await post(proxy, body, X_Gateway_Model_Name="gpt-4o")
        assert (found.backend, found.sent("x-gateway-model-name")) == ("alpha", [])
    found = await proxy.request("/v1/files", headers={"X-Gateway-Model-Name": "gpt-4o"})
    assert (found.backend, found.sent("x-gateway-model-name")) == ("alpha", [])
    for body in (b'{"model": "gpt-4o"', b"gpt-4o", b'{"model": "other", "model": "gpt-4o"}', b"\x1f\x8b\x08"):
        assert (await post(proxy, body)).status == 400


async def test_a_header_of_the_client_decides_nothing(proxy: Proxy) -> None:
    """The model of the body counts, and its name replaces what the client has sent under the same header."""
    await proxy.apply(model_route(models("open", to="alpha"), models("secret", to="beta")))
    for own in ("secret", "SECRET", "secret, secret"):
        found = await ask(proxy, "open", X_Gateway_Model_Name=own)
        assert (found.backend, found.sent("x-gateway-model-name")) == ("alpha", ["open"])


async def test_long_and_odd_bodies(proxy: Proxy) -> None:
    """A body of megabytes arrives as it was, wherever in it the model is; escapes are read as what they mean."""
    await proxy.apply(model_route(*RULES))
    text = "a" * LONG
    for fields in ({"model": "gpt-4o", "input": text}, {"input": text, "model": "gpt-4o"}):
        body = json.dumps(fields).encode()
        found = await post(proxy, body)
        assert (found.backend, found.sent("content-length")) == ("beta", [str(len(body))])
    for body in (
        b'{"mod\\u0065l": "gpt-4o"}',
        b'{"model": "gpt\\u002d4o"}',
        b' {"x": {"model": "no"}, "model":"gpt-4o"}',
    ):
        assert (await post(proxy, body)).backend == "beta"


async def test_headers_in_addition(proxy: Proxy) -> None:
    """A rule with headers takes requests that have them; others go on to the next rule of the model."""
    team = models("gpt-4o", to="alpha", headers=[{"name": "X-Team", "value": "red"}])
    await proxy.apply(model_route(models("gpt-4o", to="beta"), team))
    assert (await ask(proxy, "gpt-4o", X_Team="red")).backend == "alpha"
    assert (await ask(proxy, "gpt-4o", X_Team="blue")).backend == "beta"


async def test_the_list_of_models(proxy: Proxy) -> None:
    """The proxy itself lists the models that rules name, but for hidden ones, and says what it knows of each."""
    hidden = models("secret", to="beta", hidden=True)
    await proxy.apply(model_route(models("gpt-*", "gpt-4o", "org/own", to="alpha", ownedBy="us"), hidden))
    found = await proxy.request("/v1/models")
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    listed = json.loads(found.body)
    assert [(each["id"], each["owned_by"], each["created"]) for each in listed["data"]] == [
        ("gpt-4o", "us", 1772359200),
        ("org/own", "us", 1772359200),
    ]
    assert json.loads((await proxy.request("/v1/models/org/own")).body)["id"] == "org/own"
    assert (await proxy.request("/v1/models/org%2Fown")).headers["location"].endswith("/v1/models/org/own")
    for path in ("/v1/models/secret", "/v1/models/nobody", "/v1/models/gpt-"):
        missing = await proxy.request(path)
        assert (missing.status, path in json.loads(missing.body)["error"]["message"]) == (404, True)
    assert (await ask(proxy, "secret")).backend == "beta"


async def test_other_paths_are_not_concerned(proxy: Proxy) -> None:
    """What is not below the prefix is no request for a model; another prefix than /v1 is as good."""
    await proxy.apply(model_route(*RULES, pathPrefix="/llm/v1"))
    assert (await ask(proxy, "gpt-4o", "/llm/v1/chat/completions")).backend == "beta"
    for path in ("/v1/chat/completions", "/llm/v1x", "/llm"):
        assert b"error" not in (found := await ask(proxy, "gpt-4o", path)).body
        assert found.status == 404


async def test_forms(proxy: Proxy) -> None:
    """Files that are sent as forms go where the rule without models says; no header tells a model, whoever wrote it."""
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o\r\n--x--\r\n'
    headers = {"Content_Type": "multipart/form-data; boundary=x", "X_Gateway_Model_Name": "gpt-4o"}
    paths = ("/v1/audio/transcriptions", "/v1/files", "/v1/images/edits", "/v1/uploads/a/parts")
    await proxy.apply(model_route(*RULES, models(to="alpha")))
    for path in paths:
        found = await post(proxy, form, path, **headers)
        assert (found.backend, found.sent("x-gateway-model-name")) == ("alpha", [])
        assert (await ask(proxy, "gpt-4o", path)).backend == "beta"
        for end in ("/", "/v1/chat/completions", "/x", "/../chat/completions", ";x", "%2fx"):
            assert (await post(proxy, form, path + end, **headers)).status in (307, 400)
    assert (await post(proxy, form, "/v1/chat/completions", **headers)).status == 400
    await proxy.apply(model_route(*RULES))
    assert (await post(proxy, form, paths[0], **headers)).status == 400


async def test_a_listener_set(proxy: Proxy) -> None:
    """A ModelRoute attaches to a ListenerSet, and serves its hostname only."""
    port = free_port()
    listener = {"name": "http", "protocol": "HTTP", "port": port, "hostname": "llm.example.com"}
    spec = {"parentRef": {"name": GATEWAY}, "listeners": [listener]}
    listeners = {"apiVersion": ROUTES, "kind": "ListenerSet", "metadata": {"name": "set"}, "spec": spec}
    allowing = gateway({"name": "http", "protocol": "HTTP", "port": proxy.port})
    allowing["spec"]["allowedListeners"] = {"namespaces": {"from": "Same"}}
    parent = {"kind": "ListenerSet", "name": "set"}
    await proxy.apply(allowing, listeners, model_route(models("own", to="beta"), parentRefs=[parent]))
    body = b'{"model": "own"}'
    found = await proxy.request("/v1/x", method="POST", host="llm.example.com", port=port, body=body)
    assert found.backend == "beta"
    for host, at in (("example.com", port), ("llm.example.com", proxy.port)):
        assert (await proxy.request("/v1/x", method="POST", host=host, port=at, body=body)).status == 404


async def test_timeouts(proxy: Proxy, alpha: Upstream) -> None:
    """The timeouts of a rule hold for its models: of requests, and of silence."""
    slow = models("slow", to="alpha", timeouts={"request": "200ms"})
    silent = models("silent", to="alpha", timeouts={"streamIdle": "200ms"})
    await proxy.apply(model_route(slow, silent, models("patient", to="alpha")))
    waiting = asyncio.Event()

    async def wait(_: Seen) -> web.StreamResponse:
        await waiting.wait()
        return web.json_response({"backend": "alpha"})

    alpha.answer = wait
    for model in ("slow", "silent"):
        found = await ask(proxy, model)
        assert (found.status, json.loads(found.body)["error"]["type"]) == (504, "timeout_error")
    patient = asyncio.create_task(ask(proxy, "patient"))
    waiting.set()
    assert (await patient).status == 200


async def test_websockets(proxy: Proxy, alpha: Upstream) -> None:
    """What changes the protocol names no model in a body: it goes where the rule without models says."""
    alpha.raw = shout
    await proxy.apply(model_route(*RULES, models(to="alpha")))
    assert await talk(proxy, "/v1/realtime?model=gpt-4o", "hello", "again") == ["HELLO", "AGAIN"]
    await proxy.apply(model_route(*RULES))
    assert (await proxy.request("/v1/realtime")).status == 404


async def test_a_long_list_of_models(proxy: Proxy) -> None:
    """The list may be as long as a ModelRoute can make it, with whatever names."""
    names = [f"model-{number}-%REQ(:PATH)%-" + "x" * 60 for number in range(64)]
    await proxy.apply(model_route(models(*names, to="alpha"), models(*(f"b{each}" for each in names), to="beta")))
    listed = json.loads((await proxy.request("/v1/models")).body)["data"]
    assert [each["id"] for each in listed] == [*names, *(f"b{each}" for each in names)]
    assert (await ask(proxy, names[-1])).backend == "alpha"


async def test_long_bodies_that_policies_hold(proxy: Proxy) -> None:
    """A policy that reads bodies at a ModelRoute has as much room for them as elsewhere."""
    guard = {"promptGuard": {"request": [{"name": "no", "regex": {"matches": ["never said"], "action": "Reject"}}]}}
    await proxy.apply(model_route(models("own", to="alpha")), at_models(ai=guard))
    body = json.dumps({"model": "own", "messages": [{"role": "user", "content": "a" * 500_000}]}).encode()
    found = await post(proxy, body)
    assert (found.backend, found.sent("content-length")) == ("alpha", [str(len(body))])
    assert (await post(proxy, body.replace(b"own", b"oth"))).status == 404
