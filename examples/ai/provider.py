"""A provider of models that needs no key and knows little: it speaks OpenAI's API, and answers with your own words."""

import argparse
import contextlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 18090  # as in local.yaml


def words(body: dict[str, Any]) -> list[str]:
    """Return the words of the answer."""
    said = body["messages"][-1]["content"]
    text = said if isinstance(said, str) else " ".join(each.get("text", "") for each in said)
    return f"{body['model']} on this machine heard you say: {text}".split(" ")


def usage(body: dict[str, Any], answer: list[str]) -> dict[str, int]:
    """Count tokens: here, words."""
    asked = len(json.dumps(body["messages"]).split())
    return {"prompt_tokens": asked, "completion_tokens": len(answer), "total_tokens": asked + len(answer)}


class Provider(BaseHTTPRequestHandler):
    """Answers requests for completions, whole or as streams of events."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a request."""
        data = self.body()
        try:
            body = json.loads(data)
            answer, head = words(body), {"id": "chatcmpl-1", "created": int(time.time()), "model": body["model"]}
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            told = {"message": f"The request is not whole: {error!r}", "type": "invalid_request_error", "code": None}
            self.whole(400, {"error": told})
            return
        if body.get("stream"):
            self.stream(body, answer, {**head, "object": "chat.completion.chunk"})
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(answer)}, "finish_reason": "stop"}
        self.whole(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage(body, answer)})

    def body(self) -> bytes:
        """Read the body, which comes in chunks or with its length."""
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        read = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return read

    def whole(self, status: int, answer: dict[str, Any]) -> None:
        """Answer at once."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, body: dict[str, Any], answer: list[str], head: dict[str, Any]) -> None:
        """Answer a word at a time."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for index, word in enumerate(answer):
            delta = {"role": "assistant", "content": word} if index == 0 else {"content": f" {word}"}
            self.event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(0.05)  # as if it had to think
        self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self.event({**head, "choices": [], "usage": usage(body, answer)})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, data: dict[str, Any]) -> None:
        """Send an event."""
        self.chunk(f"data: {json.dumps(data)}\n\n".encode())

    def chunk(self, data: bytes) -> None:
        """Send a piece; the empty one is the last."""
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


if __name__ == "__main__":
    _arguments = argparse.ArgumentParser(description=__doc__)
    _arguments.add_argument("port", type=int, nargs="?", default=PORT)
    _port = _arguments.parse_args().port
    with ThreadingHTTPServer(("127.0.0.1", _port), Provider) as _server, contextlib.suppress(KeyboardInterrupt):
        print(f"The provider listens on 127.0.0.1:{_port}", flush=True)
        _server.serve_forever()
