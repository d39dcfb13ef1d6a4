"""A program for tests: a gRPC client of `xds:///TARGET`, which calls as the lines of its input say, in JSON."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import grpc

Channel = grpc.Channel
Metadata = list[tuple[str, str | bytes]]


def unary(channel: Channel, method: str, request: str, metadata: Metadata, seconds: float) -> list[str]:
    """Call a method; return its answer, or the status and the details."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    try:
        return [call(request.encode(), metadata=tuple(metadata), timeout=seconds).decode()]
    except grpc.RpcError as error:
        return ["", error.code().name, error.details() or ""]


def watch(channel: Channel, method: str, request: str) -> list[str]:
    """Return the answers of a stream, and its status."""
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
    answers = call(request.encode(), timeout=10)
    found: list[str] = []
    with contextlib.suppress(grpc.RpcError):
        found += (each.decode() for each in answers)
    return [*found, answers.code().name]


def chat(channel: Channel, method: str, words: list[str]) -> list[str]:
    """Return the answers of a stream of requests, each sent once the last is answered."""
    answered = threading.Semaphore(1)
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)

    def requests() -> Iterator[bytes]:
        for each in words:
            answered.acquire()
            yield each.encode()

    found: list[str] = []
    for each in call(requests(), timeout=10):
        found.append(each.decode())
        answered.release()
    return found


def silence(channel: Channel, method: str) -> str:
    """Return the status of a call in which nobody says anything for up to 10 seconds."""
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
    ended = threading.Event()

    def requests() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    answers = call(requests(), timeout=10)
    with contextlib.suppress(grpc.RpcError):
        list(answers)
    ended.set()
    return answers.code().name


class Load:
    """Calls a method over and over."""

    def __init__(self, channel: Channel, method: str) -> None:
        self._results: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(channel, method))
        self._thread.start()

    def _run(self, channel: Channel, method: str) -> None:
        while not self._stopped.is_set():
            self._results[" ".join(unary(channel, method, "x", [], 10)[:2]).strip()] += 1
            time.sleep(0.002)

    def stop(self) -> dict[str, int]:
        """Stop, and return how often each answer came."""
        self._stopped.set()
        self._thread.join()
        return dict(self._results)


COMMANDS: dict[str, Callable[..., object]] = {"unary": unary, "watch": watch, "chat": chat, "silence": silence}


def main(target: str) -> None:
    """Obey until the input ends."""
    load: Load | None = None
    with grpc.insecure_channel(f"xds:///{target}") as channel:
        for line in sys.stdin:
            command, arguments = json.loads(line)
            result: object = None
            if command == "load":
                load = Load(channel, **arguments)
            elif command == "stop":
                assert load is not None
                result = load.stop()
            else:
                result = COMMANDS[command](channel, **arguments)
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
