"""The client with faulty servers; other tests use a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from headgate.cluster.reader import PAGE, _list
from tests.ports import unaccepting
from tests.watchers import loopback
from tests.watchers.relay import kubeconfig
from translator.objects.kubernetes.core import Namespace
from watchers.kubernetes import client as module
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError, Malformed, TooLarge, Unreachable


@asynccontextmanager
async def serving(folder: Path, answer: loopback.Answer) -> AsyncIterator[ApiClient]:
    """Run a server that answers every request in one way, and yield a client of it."""
    async with loopback.serving(answer) as url, ApiClient(await kubeconfig(folder, url, "token: abc")) as client:
        yield client


async def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    """A request without a listening server raises an error with the URL and the cause."""
    async with ApiClient(await kubeconfig(tmp_path, "http://127.0.0.1:1", "token: abc")) as client:
        with pytest.raises(
            Unreachable, match=r"server at http://127\.0\.0\.1:1 gives no answer \(Connection refused\)"
        ):
            await client.get("/version")
        assert not await client.ready()


async def test_responses_of_a_proxy_are_reported(tmp_path: Path) -> None:
    """A proxy's error text is in the message, and HTML is not JSON."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/bad":
            return web.Response(status=502, text="<h1>Bad Gateway</h1>", headers={"Retry-After": "7"})
        return web.Response(text="<h1>Welcome</h1>")

    async with serving(tmp_path, answer) as client:
        with pytest.raises(ApiError, match=r"GET /bad: <h1>Bad Gateway</h1> \(502\)") as caught:
            await client.get("/bad")
        assert (caught.value.status, caught.value.retry_after) == (502, 7)
        with pytest.raises(Malformed, match=r"GET /good is not JSON .* is this the URL of an API server"):
            await client.get("/good")


async def test_redirections_are_errors(tmp_path: Path) -> None:
    """A redirection is an error, so that credentials are sent nowhere else."""

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/here"
        return web.Response(status=302, headers={"Location": "/there"})

    async with serving(tmp_path, answer) as client:
        with pytest.raises(ApiError, match="302"):
            await client.get("/here")


async def test_responses_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read of an endless response or event ends at its limit."""
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 16)
    async with serving(tmp_path, loopback.endless) as client:
        with pytest.raises(TooLarge, match=r"The answer to GET /endless is longer than 65536 bytes"):
            await client.get("/endless")
        async with client.watch("/endless", {}) as stream:
            with pytest.raises(TooLarge, match="An event of a watch is longer than"):
                await anext(stream.lines())


async def test_error_messages_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error with a too long text is reported by its status."""
    monkeypatch.setattr(module, "MOST_ERROR_BYTES", 1000)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=418, text="x" * 2000)

    async with serving(tmp_path, answer) as client:
        with pytest.raises(ApiError) as error:
            await client.get("/")
        assert (error.value.status, error.value.message) == (418, "I'm a Teapot")


async def test_a_silent_watch_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch without data for too long counts as broken."""
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    done = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await done.wait()
        return response

    async with serving(tmp_path, answer) as client:
        async with client.watch("/silent", {}) as stream:
            with pytest.raises(Unreachable, match="no word for"):
                await anext(stream.lines())
        done.set()


async def test_a_connection_has_a_timeout_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If connections are not accepted, the request fails long before its own timeout."""
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.1)
    with unaccepting() as port:
        async with ApiClient(await kubeconfig(tmp_path, f"http://127.0.0.1:{port}", "token: abc")) as client:
            async with asyncio.timeout(10):
                with pytest.raises(Unreachable, match="it took too long"):
                    await client.get("/version")
                assert not await client.ready()


async def test_large_collections_are_read_page_by_page(tmp_path: Path) -> None:
    """`headgate translate --cluster` reads collections in pages."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["limit"])
        first = int(request.query.get("continue", 0))
        last = min(first + int(request.query["limit"]), 2 * PAGE + 1)
        metadata = {"continue": str(last)} if last < 2 * PAGE + 1 else {}
        items = [{"metadata": {"name": str(number)}} for number in range(first, last)]
        return web.json_response({"metadata": metadata, "items": items})

    async with serving(tmp_path, answer) as client:
        found = await _list(client, Namespace)
    assert [each["metadata"]["name"] for each in found] == [str(number) for number in range(2 * PAGE + 1)]
    assert asked == [str(PAGE)] * 3


async def test_a_request_has_a_timeout(tmp_path: Path) -> None:
    """A server that never answers counts as unreachable."""
    done = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await done.wait()
        return web.Response()

    async with serving(tmp_path, answer) as client:
        with pytest.raises(Unreachable, match="it took too long"):
            await client.get("/slow", seconds=0.05)
        done.set()


async def test_a_rejected_authorization_is_renewed(tmp_path: Path) -> None:
    """After a 401 the kubeconfig is read again, and the request is repeated once."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        if asked[-1] == "Bearer new":
            return web.json_response({"path": request.path})
        (tmp_path / "kubeconfig").write_text((tmp_path / "kubeconfig").read_text().replace("abc", "new"))
        return web.json_response({"message": "Unauthorized"}, status=401)

    async with serving(tmp_path, answer) as client:
        assert await client.get("/it") == {"path": "/it"}
        assert asked == ["Bearer abc", "Bearer new"]

    async def refuse(request: web.Request) -> web.Response:
        asked.append("")
        return web.json_response({"message": "Unauthorized"}, status=401)

    asked.clear()
    async with serving(tmp_path, refuse) as client:
        with pytest.raises(ApiError, match=r"Unauthorized \(401\)"):
            await client.get("/it")
        assert len(asked) == 2


async def test_a_watch_can_be_cut(tmp_path: Path) -> None:
    """The reader of a watch that was cut gets all complete lines, and then the end."""
    done = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"one": 1}\n{"two"')
        assert dict(request.query) == {"resourceVersion": "7", "watch": "true", "timeoutSeconds": "300"}
        await done.wait()
        return response

    found = []
    async with serving(tmp_path, answer) as client, client.watch("/it", {"resourceVersion": "7"}) as stream:
        async for lines in stream.lines():
            found += lines
            stream.cut()
        done.set()
    assert found == [b'{"one": 1}']
