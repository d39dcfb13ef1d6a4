"""Echoes what comes, line by line, after its name: python3 examples/tcp/backend.py NAME PORT."""

from __future__ import annotations

import asyncio
import sys


async def serve(name: str, port: int) -> None:
    """Serve connections until the process is stopped."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(f"{name}: ".encode() + line)
        writer.close()  # the client has ended its side, and gets the rest all the same

    async with await asyncio.start_server(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
