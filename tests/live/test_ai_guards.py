"""Guards of prompts, messages and fields that requests get in addition, and models by caller, through a real Envoy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import anthropic
import openai
import pytest
from aiohttp import web

from tests.ai.clients import anthropic_client, openai_client
from tests.live.ai_providers import CHAT, JSON, ai, at
from tests.live.backends import reference, to_backend
from tests.live.model_routes import model_route
from tests.live.objects import Manifest, traffic_policy
from tests.live.proxy import Proxy, Response
from tests.live.tokens import bearer, provider, token
from tests.live.upstream import Seen, Upstream

MESSAGES = "/v1/messages"
SSN = "123-45-6789"


def guard(name: str = "own", **regex: Any) -> Manifest:
    """Return a policy with one guard."""
    return traffic_policy("gateway", "guard", ai={"promptGuard": {"request": [{"name": name, "regex": regex}]}})


def policy(**fields: Any) -> Manifest:
    """Return a policy of the Gateway."""
    return traffic_policy("gateway", "ai", ai=fields)


async def post(
    proxy: Proxy, body: object, path: str = CHAT, headers: Mapping[str, str] | None = None, chunked: bool = False
) -> Response:
    """Send a body, as JSON unless it is bytes."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = JSON | dict(headers or {})
    return await proxy.request(path, method="POST", headers=fields, body=text, chunked=chunked or None)


def says(content: object, **fields: Any) -> dict[str, Any]:
    """Return a request with one message."""
    return {"model": "small", "messages": [{"role": "user", "content": content}], **fields}


async def test_rejections_in_the_shape_of_the_api(ai_proxy: Proxy, alpha: Upstream) -> None:
    """The vendors' own clients raise the errors that they raise for their vendors, with the text of the policy."""
    response = {"status": 403, "message": "No secrets, please."}
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), guard(matches=["(?i)secret"], response=response))
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        with pytest.raises(openai.PermissionDeniedError, match="No secrets, please") as refused:
            await client.chat.completions.create(model="small", messages=[{"role": "user", "content": "My Secret"}])
        assert refused.value.code == "prompt_rejected"
        await client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Hello"}])
    async with anthropic_client(f"http://127.0.0.1:{ai_proxy.port}") as claude:
        with pytest.raises(anthropic.PermissionDeniedError, match="No secrets, please"):
            await claude.messages.create(
                model="small",
                max_tokens=5,
                messages=[{"role": "user", "content": [{"type": "text", "text": "secret"}]}],
            )
    assert len(alpha.seen) == 1


async def test_masks(ai_proxy: Proxy, alpha: Upstream) -> None:
    """What is built in, and what a policy adds, is masked in what the provider gets; all else arrives as it was."""
    masks = guard(builtins=["Email", "Phone", "SSN", "CreditCard"], matches=["id-[0-9]+"], action="Mask")
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), masks)
    text = f"joe@example.com, +49 30 123 4567, {SSN}, 4111 1111 1111 1111, id-77 \u00e9"
    assert (await post(ai_proxy, says(text, n=2))).status == 200
    assert json.loads(alpha.seen[0].body) == says("<EMAIL>, <PHONE>, <SSN>, <CREDIT_CARD>, <MASKED> \u00e9", n=2)
    assert alpha.seen[0].values("content-length") == [str(len(alpha.seen[0].body))]
    plain = b'{ "model":"small", "messages" : [] }'
    assert (await post(ai_proxy, plain)).status == 200
    assert alpha.seen[1].body == plain


@pytest.mark.parametrize("chunked", [False, True])
async def test_what_cannot_be_looked_at(ai_proxy: Proxy, alpha: Upstream, chunked: bool) -> None:
    """What is no JSON, compressed, or too long does not pass a guard, however it is framed."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), guard(builtins=["SSN"]))
    for body, headers, status in (
        (b"no JSON", {}, 400),
        (b'{"messages": [], "messages": []}', {}, 400),
        (json.dumps(says("x" * (1 << 20))).encode(), {}, 413),
        (b"{}", {"content-encoding": "gzip"}, 415),
    ):
        assert (await post(ai_proxy, body, headers=headers, chunked=chunked)).status == status
    assert alpha.seen == []
    assert (await post(ai_proxy, says("x" * 900_000), chunked=chunked)).status == 200


async def test_longer_requests(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A policy says how long requests may be that are looked at."""
    guarded = {"request": [{"name": "own", "regex": {"builtins": ["SSN"]}}]}
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), policy(promptGuard=guarded, maxBytes="4Mi"))
    assert (await post(ai_proxy, says("x" * 4_000_000))).status == 200
    assert (await post(ai_proxy, says("x" * 3_000_000 + f" {SSN}"))).status == 403
    assert (await post(ai_proxy, says("x" * 5_000_000))).status == 413


async def test_guards_of_several_policies(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Guards of several levels hold together; of one name that of the more specific policy does."""
    own = {"request": [{"name": "own", "regex": {"matches": ["two"]}}]}
    other = {"request": [{"name": "other", "regex": {"matches": ["three"]}}]}
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), guard(matches=["one"]))
    await ai_proxy.apply(traffic_policy("route", "specific", ai={"promptGuard": other}))
    assert [(await post(ai_proxy, says(each))).status for each in ("one", "two", "three")] == [403, 200, 403]
    await ai_proxy.apply(traffic_policy("route", "specific", ai={"promptGuard": own}))
    assert [(await post(ai_proxy, says(each))).status for each in ("one", "two", "three")] == [200, 403, 200]
    await ai_proxy.apply(traffic_policy("route", "specific", ai={"disable": {}}))
    assert [(await post(ai_proxy, says(each))).status for each in ("one", "two", "three")] == [200, 200, 200]


async def test_a_guard_that_cannot_be_built(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Without its expression a guard lets nothing pass."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), guard(matches=["a*"]))
    assert (await post(ai_proxy, says("Hello"))).status == 500
    assert alpha.seen == []


async def test_messages_and_fields(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Requests get messages, fields that they lack, and fields that they must have."""
    prompt = {"prepend": [{"role": "system", "content": "Be brief."}], "append": [{"role": "user", "content": "Bye"}]}
    fields = {"defaults": {"temperature": 0.5, "n": 1}, "overrides": {"store": False, "model": "large"}}
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), policy(prompt=prompt, **fields))
    assert (await post(ai_proxy, says("Hello", n=3, store=True))).status == 200
    assert json.loads(alpha.seen[0].body) == {
        "model": "large",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "user", "content": "Bye"},
        ],
        "n": 3,
        "store": False,
        "temperature": 0.5,
    }


async def statuses(proxy: Proxy, headers: Mapping[str, str], *models: object) -> list[int]:
    """Return what requests for models are answered with."""
    return [(await post(proxy, {"model": each, "messages": []}, headers=headers)).status for each in models]


ODD = ("", None, 4, ["small"], "x" * 5000)


async def test_models_by_caller(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Callers may ask for the models that are allowed for them, but for those that are denied or cannot be read."""
    pro = {"jwt": {"provider": "issuer", "claims": [{"name": "plan", "values": ["pro"]}]}}
    team = {"headers": [{"name": "X-Team", "values": ["red"]}]}
    groups = {"path": ["example.com/groups"], "values": ["research"], "valueType": "StringArray"}
    researcher = {"jwt": {"provider": "issuer", "claims": [groups], "scopes": ["llm"]}}
    allow = [
        {"models": ["small", "mini-*"]},
        {"models": ["large"], "when": pro},
        {"models": ["*"], "when": team},
        {"models": ["huge"], "when": researcher},
    ]
    suspended = {
        "jwt": {"provider": "issuer", "claims": [{"name": "plan", "values": ["suspended"]}], "scopes": ["llm"]}
    }
    barred = {"models": ["*"], "when": {**suspended, "headers": [{"name": "X-Team", "values": ["red"]}]}}
    models = {"allow": allow, "deny": [{"models": ["mini-old"]}, barred]}
    tokens = traffic_policy("gateway", "tokens", jwtAuth={"providers": [provider()]})
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), policy(models=models), tokens)
    user, paying = bearer(token(plan="free")), bearer(token(plan="pro"))
    asked = ("small", "mini-1", "mini-old", "large", "other", *ODD)
    refused = [403] * len(ODD)
    assert await statuses(ai_proxy, user, *asked) == [200, 200, 403, 403, 403, *refused]
    assert await statuses(ai_proxy, paying, *asked) == [200, 200, 403, 200, 403, *refused]
    assert await statuses(ai_proxy, user | {"X-Team": "red"}, *asked) == [200, 200, 403, 200, 200, *refused]
    research: dict[str, Any] = {"plan": "free", "scope": "a llm", "example.com/groups": ["sales", "research"]}
    assert await statuses(ai_proxy, bearer(token(**research)), "small", "huge", "large") == [200, 200, 403]
    assert await statuses(ai_proxy, bearer(token(**research | {"scope": "a"})), "huge") == [403]
    gone = bearer(token(plan="suspended", scope="llm"))
    assert await statuses(ai_proxy, gone, "small") == [200]
    assert await statuses(ai_proxy, gone | {"X-Team": "red"}, "small") == [403]
    (refused_, error) = (await post(ai_proxy, says("Hello", model="large"), headers=user), "permission_denied")
    assert (refused_.status, json.loads(refused_.body)["error"]["code"]) == (403, error)
    alpha.answer = None
    assert (await ai_proxy.request("/v1/models", headers=user)).status == 200


async def test_answers_stay_as_they_are(ai_proxy: Proxy, alpha: Upstream) -> None:
    """What reads the model of a request leaves answers alone, byte for byte, also what it could not read."""
    body = b'{"usage":  null, "n": 12345678901234567890123, "choices": [{"message": {"content": "\\ud83d x"}}]}'

    async def odd(_: Seen) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    alpha.answer = odd
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), policy(models={"deny": [{"models": ["secret"]}]}))
    found = await post(ai_proxy, says("Hello"))
    assert (found.status, found.body, found.headers["content-type"]) == (200, body, "application/json")


async def test_guards_of_model_routes(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Guards of a ModelRoute hold for all of its models, unknown ones too, and may say another model: it is picked."""
    rules = [
        {"models": ["open"], "backendRefs": [reference("ai")]},
        {"models": ["large"], "backendRefs": [reference("other")]},
    ]
    guarded = {"request": [{"name": "own", "regex": {"matches": ["secret"]}}]}
    found = policy(promptGuard=guarded)
    found["spec"]["targetRefs"] = [{"group": "gateway.headgate.dev", "kind": "ModelRoute", "name": "llm"}]
    await ai_proxy.apply(model_route(*rules), ai(at(alpha)), ai(at(beta), name="other"), found)
    for model, status in (("open", 200), ("large", 200), ("unknown", 404)):
        for path in (CHAT, "/v1/completions"):
            assert (await post(ai_proxy, says("Hello", model=model), path)).status == status
            assert (await post(ai_proxy, says("my secret", model=model), path)).status == 403
    assert (len(alpha.seen), len(beta.seen)) == (2, 2)
    for length, chunked, status in ((900_000, False, 200), (900_000, True, 200), (1_100_000, True, 413)):
        long = says("x" * length, model="large")
        assert (await post(ai_proxy, long, chunked=chunked)).status == status
        assert (await post(ai_proxy, long | {"user": "secret"}, chunked=chunked)).status == max(status, 403)
    assert (await post(ai_proxy, b"", headers={"Upgrade": "websocket", "Connection": "Upgrade"})).status == 400
    del beta.seen[2:]
    found["spec"]["ai"]["overrides"] = {"model": "large"}
    await ai_proxy.apply(found)
    assert (await post(ai_proxy, says("Hello", model="open"))).status == 200
    assert (len(alpha.seen), len(beta.seen)) == (2, 3)


async def test_denied_models_of_model_routes(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Not one of many requests for a denied model passes, at once, whatever header they send; others do."""
    rules = [
        {"models": ["open"], "backendRefs": [reference("ai")]},
        {"models": ["secret"], "backendRefs": [reference("other")]},
    ]
    denying = policy(models={"deny": [{"models": ["secret"]}]})
    denying["spec"]["targetRefs"] = [{"group": "gateway.headgate.dev", "kind": "ModelRoute", "name": "llm"}]
    await ai_proxy.apply(model_route(*rules), ai(at(alpha)), ai(at(beta), name="other"), denying)
    for own in ({}, {"X-Gateway-Model-Name": "open"}, {"X-Gateway-Model-Name": "secret"}):
        found = await asyncio.gather(*(statuses(ai_proxy, own, "secret", "open") for _ in range(200)))
        assert found == [[403, 200]] * 200
    assert beta.seen == []
