"""Runs a program in a network of its own, which reaches what this machine's loopback has only by sockets of a folder.

Where a program listens on all addresses, nobody else may reach it. `unshare --net` runs this as a script: it takes the
folder, the program's port, the addresses that the program may dial, each as `address:port`, and the program's command.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

SIOCSIFFLAGS = 0x8914
UP = 0x1 | 0x40
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


def to(
    dial: Callable[[], Awaitable[Streams]],
) -> Carry:
    """Return what carries a connection on to where `dial` connects to; where nobody listens, it ends."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await dial()
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    return carry


def to_socket(path: Path) -> Callable[[], Awaitable[Streams]]:
    """Return what connects to a socket of the folder."""
    return lambda: asyncio.open_unix_connection(str(path))


def to_address(address: str, port: int) -> Callable[[], Awaitable[Streams]]:
    """Return what connects to an address of loopback."""
    return lambda: asyncio.open_connection(address, port)


def outgoing(folder: Path, target: str) -> Path:
    """Return the socket of what the program dials at an address."""
    return folder / target.replace(":", "-")


async def _main(folder: Path, port: int, targets: list[str], command: list[str]) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP))
    async with contextlib.AsyncExitStack() as stack:
        for each in targets:
            address, _, number = each.rpartition(":")
            found = await asyncio.start_server(to(to_socket(outgoing(folder, each))), address, int(number))
            await stack.enter_async_context(found)
        incoming = await asyncio.start_unix_server(to(to_address("127.0.0.1", port)), str(folder / "in"))
        await stack.enter_async_context(incoming)
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()


if __name__ == "__main__":
    _folder, _port, _targets, *_command = sys.argv[1:]
    sys.exit(asyncio.run(_main(Path(_folder), int(_port), _targets.split(","), _command)))
