"""The regression tests of the Core Rule Set, in the format of go-ftw, as inspections."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from headgate.waf.engine import Engine
from headgate.waf.inspection import Headers, InspectedResponse, Inspection
from translator.waf_profile import Profile

LIMITS: Final = {
    "crs_validate_utf8_encoding": 1,
    "arg_name_length": 100,
    "arg_length": 400,
    "total_arg_length": 64000,
    "max_num_args": 255,
    "max_file_size": 64100,
    "combined_file_sizes": 65535,
}
"""What the tests want to be set: by default the Core Rule Set has no such limits."""
_SETTINGS: Final = ",".join(f"setvar:tx.{name}={value}" for name, value in LIMITS.items())
PROFILE: Final = Profile("DetectOnly", 4, directives=f'SecAction "id:5,phase:1,pass,nolog,{_SETTINGS}"', response=True)
FORM: Final = "application/x-www-form-urlencoded"


class Stage(NamedTuple):
    """A request, and the rules that are to match, and not to.

    `of_server` says that it is about what a web server does with bytes that are no request.
    """

    request: Mapping[str, Any]
    expected: frozenset[int]
    unexpected: frozenset[int]
    of_server: bool


@dataclass(frozen=True)
class Case:
    """A test: its name, such as ``942100-1``, and its stages."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def of_server(self) -> bool:
        """Whether it is about what a web server does."""
        return any(each.of_server for each in self.stages)


def cases(folder: Path) -> Iterator[Case]:
    """Yield the tests in a folder."""
    for path in sorted(folder.glob("*/*.yaml")):
        found = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        # Some files are all comments.
        for each in found["tests"] if found else ():
            yield Case(f"{found['rule_id']}-{each['test_id']}", tuple(map(_stage, each["stages"])))


def _stage(found: Mapping[str, Any]) -> Stage:
    output = found["output"]
    logged = output.get("log", {})
    request = found["input"]
    says_nothing = not logged.get("expect_ids") and not logged.get("no_expect_ids")
    return Stage(
        request,
        frozenset(logged.get("expect_ids", ())),
        frozenset(logged.get("no_expect_ids", ())),
        says_nothing or "encoded_request" in request or bool(output.get("expect_error")),
    )


def passes(engine: Engine, case: Case) -> bool:
    """Return whether the rules match that are to, and none that is not to."""
    for stage in case.stages:
        found = matches(engine, stage.request)
        if not stage.expected <= found or stage.unexpected & found:
            return False
    return True


def matches(engine: Engine, request: Mapping[str, Any]) -> set[int]:
    """Return the rules that match a request, and the response that it asks the backend of the tests for."""
    body = _body(request)
    headers = _headers(request, body)
    made = Inspection(
        PROFILE.to_text(),
        str(request.get("method", "GET")),
        request.get("uri", "/").encode().decode("latin-1"),
        str(request.get("version", "HTTP/1.1")).removeprefix("HTTP/"),
        headers,
        "127.0.0.1",
    )
    found = engine.inspect(made, body)
    assert not found.error, found.error
    rules = {each.rule for each in found.matches}
    reflected = _reflected(request, body)
    if reflected is not None:
        response, content = reflected
        answer = Inspection(made.profile, made.method, made.uri, made.version, headers, made.client, response=response)
        rules |= {each.rule for each in engine.inspect(answer, content).matches}
    return rules


def _body(request: Mapping[str, Any]) -> bytes:
    if "encoded_data" in request:
        return base64.b64decode(request["encoded_data"])
    data = request.get("data", "")
    return "\r\n".join(data).encode() if isinstance(data, list) else str(data).encode()


def _headers(request: Mapping[str, Any], body: bytes) -> Headers:
    found = [(str(name), str(value)) for name, value in request.get("headers", {}).items()]
    names = {name.lower() for name, _ in found}
    if request.get("autocomplete_headers", True) and not request.get("stop_magic"):
        if body and "content-type" not in names:
            found.append(("Content-Type", FORM))
        if body and "content-length" not in names:
            found.append(("Content-Length", str(len(body))))
        if "connection" not in names:
            found.append(("Connection", "close"))
    return tuple((name, value.encode().decode("latin-1")) for name, value in found)


def _reflected(request: Mapping[str, Any], body: bytes) -> tuple[InspectedResponse, bytes] | None:
    if not request.get("uri", "").startswith("/reflect"):
        return None
    try:
        wanted = json.loads(body)
    except ValueError:
        return None  # that backend responds with an error then
    content = base64.b64decode(wanted["encodedBody"]) if "encodedBody" in wanted else wanted.get("body", "").encode()
    headers = {"content-type": "text/html", **{k.lower(): v for k, v in wanted.get("headers", {}).items()}}
    return InspectedResponse(wanted.get("status", 200), tuple(headers.items())), content
