"""The CPU time of an Envoy's requests, one after another on one connection."""

from __future__ import annotations

import socket
from pathlib import Path

from bench.requests import PATIENCE_SECONDS

HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
OK = b"HTTP/1.1 200 "


def cpu_of_requests(process: int, port: int, request: bytes, count: int) -> float:
    """Return the CPU time a request, in microseconds.

    Args:
        process: the id of the Envoy's process.
        port: its port on loopback.
        request: the request, whose responses have the status 200.
        count: how often it is sent.

    Raises:
        RuntimeError: a response is another one, or the connection ends.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        before = cpu_nanoseconds(process)
        for _ in range(count):
            connection.sendall(request)
            _receive(connection)
        return (cpu_nanoseconds(process) - before) / count / 1000


def cpu_nanoseconds(process: int) -> int:
    """Return the CPU time of all threads of a process, which Linux counts more finely than `times` says."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{process}/task").glob("*/schedstat"))


def _receive(connection: socket.socket) -> None:
    received = b""
    while not _is_whole(received):
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise RuntimeError("Envoy closes the connection")
        received += chunk
    if not received.startswith(OK):
        raise RuntimeError(f"Envoy does not answer as it should: {received[:200]!r}")


def _is_whole(response: bytes) -> bool:
    head, end, body = response.partition(HEAD_END)
    lengths = (int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:"))
    length = next(lengths, None)
    return bool(end) and (body.endswith(LAST_CHUNK) if length is None else len(body) >= length)
