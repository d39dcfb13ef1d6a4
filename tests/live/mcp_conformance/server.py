"""A server for the conformance suite, in a process of its own: it prints its port of loopback, and serves `/mcp`."""

from __future__ import annotations

import argparse
import socket

import uvicorn
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

from tests.live.mcp_conformance.everything import everything

RETRY = 100
"""Milliseconds after which clients of a closed stream come again."""


class Events(EventStore):
    """What streams have carried, for clients that come again."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event, and give it its id."""
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send the later events of the stream again, and return that stream's id."""
        index = int(last_event_id)
        stream = self._events[index - 1][0]
        for number, (other, message) in enumerate(self._events[index:], index + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def main() -> None:
    """Serve until the process is killed."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--name", default="everything")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--json", action="store_true", help="answer with JSON instead of event streams")
    given = arguments.parse_args()
    app = everything(given.name).streamable_http_app(
        json_response=given.json, event_store=None if given.json else Events(), retry_interval=RETRY
    )
    with socket.create_server(("127.0.0.1", given.port)) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
