"""Draining: the Envoy of a deleted Gateway finishes open requests before it stops."""

import asyncio
import socket

import aiohttp
from aiohttp import web

from tests.headgate.envoy.test_supervisor import is_alive
from tests.headgate.running import SERVICE, Headgate, upstream
from tests.headgate.waiting import eventually


async def test_open_requests_are_answered_after_the_deletion_of_their_gateway(headgate: Headgate) -> None:
    """An open request is answered after the Gateway's file is deleted; its port is free at once."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    assert pid
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        arrived.set()
        await go_on.wait()
        return web.Response(text="late")

    async with upstream(answer) as port, aiohttp.ClientSession() as client:
        headgate.write("service", SERVICE.format(port=port))
        # The Service moves from one upstream to the other: repeat until the slow one answers.
        while True:
            asking = asyncio.ensure_future(client.get(f"http://127.0.0.1:{headgate.port}/a"))
            await asyncio.wait({asking}, timeout=0.2)
            if arrived.is_set():
                break
        (headgate.folder / "gateway.yaml").rename(headgate.folder / "gateway.kept")
        await eventually(lambda: can_bind(headgate.port))
        assert is_alive(pid)
        go_on.set()
        response = await asking
        assert (response.status, await response.text()) == (200, "late")


async def test_a_recreated_gateway_is_served_by_the_same_envoy(headgate: Headgate) -> None:
    """A Gateway whose file is missing for a moment is served again at once, without a new process."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    (headgate.folder / "gateway.yaml").rename(headgate.folder / "gateway.kept")
    await eventually(lambda: can_bind(headgate.port))
    (headgate.folder / "gateway.kept").rename(headgate.folder / "gateway.yaml")
    await headgate.answers("/a", 200, within=5)
    assert headgate.envoy_pid() == pid


def can_bind(port: int) -> bool:
    """Return whether nothing listens on a port."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
