"""`headgate run` has each port to itself: edits of what a listening socket has are taken all the same."""

import asyncio
import re
import shutil

import pytest

from tests.headgate.running import GATEWAY, ROUTE, Headgate, fetch

POLICY = """
apiVersion: gateway.headgate.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: sockets}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: web}}]
  default: {default}
"""


async def options(port: int) -> str:
    """Return what the kernel says of a new connection that a port serves."""
    program = shutil.which("ss")
    if program is None:
        pytest.skip("needs ss (Debian package iproute2)")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /a HTTP/1.1\r\nhost: a.org\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    client = writer.get_extra_info("sockname")[1]
    arguments = ("-tnomH", "state", "established", "sport", "=", f":{port}", "and", "dport", "=", f":{client}")
    running = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    found, _ = await running.communicate()
    writer.close()
    return found.decode()


async def finds(port: int, words: str) -> None:
    """Wait until new connections of a port have something."""
    async with asyncio.timeout(20):
        while True:
            try:
                if re.search(words, await options(port)):
                    return
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)


async def test_options_of_an_open_port_are_edited(headgate: Headgate) -> None:
    """Each edit of tcpKeepalive and socketBufferLimit comes into effect, open connections go on, and so do edits."""
    headgate.write("policy", POLICY.format(default="{}"))
    await headgate.start()
    await headgate.answers("/a", 200)
    reader, writer = await asyncio.open_connection("127.0.0.1", headgate.port)
    for default, words in (
        ("{tcpKeepalive: {keepAliveTime: 1500s}}", r"timer:\(keepalive,2[45]min"),
        ("{tcpKeepalive: {keepAliveTime: 3000s}}", r"timer:\(keepalive,(49|50)min"),
        ("{socketBufferLimit: 32Ki}", "rb65536"),
        ("{}", r"^(?!.*(keepalive|rb65536))"),
    ):
        headgate.write("policy", POLICY.format(default=default))
        await finds(headgate.port, words)
    await headgate.condition("web", "Programmed", "True")
    writer.write(b"GET /a HTTP/1.1\r\nhost: a.org\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    headgate.write("route", ROUTE.format(parent="web", path="/new"))
    assert await headgate.answers("/new", 200) == "/new"


async def test_addresses_of_an_open_port_are_edited(headgate: Headgate) -> None:
    """A Gateway that gets another address, or all, serves there and where it did before."""
    await headgate.start()
    await headgate.answers("/a", 200)
    text = GATEWAY.format(name="web", port=headgate.port)
    for addresses, served in (
        (("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "127.0.0.2")),
        (("127.0.0.2",), ("127.0.0.2",)),
        (("0.0.0.0",), ("127.0.0.1", "127.0.0.3")),
        (("127.0.0.1",), ("127.0.0.1",)),
    ):
        listed = ", ".join(f"{{type: IPAddress, value: {each}}}" for each in addresses)
        headgate.write("gateway", f"{text}  addresses: [{listed}]\n")
        for each in served:
            async with asyncio.timeout(20):
                while await fetch(f"http://{each}:{headgate.port}/a") != "/a":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
    await headgate.condition("web", "Programmed", "True")
