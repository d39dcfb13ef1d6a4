"""A process that inspects: it reads messages from a socket, one by one, and writes what comes of them.

It trusts nothing but that socket; when that is closed it ends. `python -m headgate.waf.worker DESCRIPTOR [FOLDER]`
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from headgate.process.errors import UserError
from headgate.waf.engine import Engine
from headgate.waf.inspection import LENGTHS, Inspection, Verdict, frame, read_inspection
from headgate.waf.rule_files import RuleFiles
from translator.waf_profile import Profile

MEMORY_BYTES: Final = 2 * 1024 * 1024 * 1024
"""The most memory that a process may have."""
WARM_UP: Final = Inspection(Profile().to_text(), "GET", "/", "1.1", (("host", "localhost"),), "127.0.0.1")
"""What is inspected first, so that the rules are there before requests are."""


def serve(channel: socket.socket, engine: Engine) -> None:
    """Serve a socket until it is closed."""
    # The first message says which version of the rules there is, or why there are none.
    channel.sendall(frame(engine.inspect(WARM_UP, b"")))
    while True:
        lengths = _read(channel, LENGTHS.size)
        header, body = LENGTHS.unpack(lengths)
        found = read_inspection(_read(channel, header))
        channel.sendall(frame(engine.inspect(found, _read(channel, body))))


def _read(channel: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = channel.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _silence_libraries() -> None:
    """Have what libraries in C write to standard error go nowhere: libxml2 writes of bodies that it cannot parse."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def main(arguments: list[str]) -> None:
    """Run the process."""
    _silence_libraries()
    # Ctrl-C reaches all processes of a terminal; the service ends this one when it has no more requests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    with socket.socket(fileno=int(arguments[0])) as channel:
        try:
            engine = Engine(RuleFiles.read(Path(arguments[1]) if arguments[1:] else None))
        except (UserError, ImportError) as error:
            channel.sendall(frame(Verdict(error=str(error))))
            return
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            serve(channel, engine)


if __name__ == "__main__":
    main(sys.argv[1:])
