"""Echoes each datagram, after its name: python3 examples/udp/backend.py NAME PORT."""

from __future__ import annotations

import socket
import sys


def serve(name: str, port: int) -> None:
    """Answer datagrams until the process is stopped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        while True:
            data, client = server.recvfrom(65535)
            server.sendto(f"{name}: ".encode() + data, client)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
