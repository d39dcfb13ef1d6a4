"""Keys that are written wrongly: none breaks a proxy or becomes another header, and the status says what is wrong."""

from __future__ import annotations

import pytest

from tests.ai.worlds import backend, declared, model_route, secrets, three
from tests.live.proxy import Proxy

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
KEYS = {
    "newline": "sk-good\n",
    "crlf": "sk-good\r\n",
    "blank": " sk-good ",
    "header": "sk-good\r\nx-evil: 1",
    "newline inside": "sk-go\nod",
    "empty": "",
    "only newline": "\n",
    "wide": "sk-göod…",
    "zero": "sk-g\x00ood",
    "tab": "sk-g\tood",
    "long": "sk-" + "x" * 70_000,
    "percent": "sk-%REQ(cookie)%",
}


@pytest.mark.parametrize("style", ["headers", "vendors", "native"])
@pytest.mark.parametrize("case", KEYS)
async def test_keys_that_are_written_wrongly(ai_proxy: Proxy, case: str, style: str) -> None:
    """Either the provider gets the key as it is meant, or nothing is sent to it, and the Backend says why."""
    secret = {**secrets(["green"])[0], "stringData": {"apiKey": KEYS[case]}}
    async with three(style, judged=False) as found:
        green = found["green"]
        await ai_proxy.apply(secret, backend(declared(style, "green", green.port)), model_route())
        headers = {"content-type": "application/json", "cookie": "stolen"}
        answer = await ai_proxy.request("/v1/chat/completions", method="POST", headers=headers, body=BODY)
        conditions = str(ai_proxy.status("Backend", "ai"))
        assert ai_proxy.process.returncode is None
        assert not any(each.values("x-evil") or each.shows("stolen") for each in green.seen)
        if answer.status == 200:
            shown = [*green.seen[0].values("authorization"), *green.seen[0].values("x-api-key")]
            assert shown
            assert all("sk-g" in each or "sk-x" in each or "sk-%" in each for each in shown)
        else:
            assert green.seen == []
            assert "Secret" in conditions
