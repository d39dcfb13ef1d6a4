"""The script that looks at prompts, run in LuaJIT as in Envoy, without a proxy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from lupa.luajit21 import LuaRuntime

from translator.envoy.ai.guard import guard_script

MEGABYTE = 1 << 20
CHAT = "/v1/chat/completions"

_ENVOY = """
return function(program, headers, text)
  local told, answered, made = {}, nil, nil
  local found = {
    get = function(_, name) return headers[name] end,
    replace = function(_, name, value) headers[name] = value end,
  }
  local body = {
    length = function() return #text end,
    getBytes = function(_, first, count) return text:sub(first + 1, first + count) end,
    setBytes = function(_, value) made = value end,
  }
  local handle = {
    headers = function() return found end,
    body = function() return body end,
    filterContext = function() return {get = function(_, key) return key == "program" and program or nil end} end,
    streamInfo = function() return {dynamicMetadata = function() return {set = function(_, space, key, value)
      told[space .. ":" .. key] = value
    end} end} end,
    respond = function(_, fields, answer) answered = {fields[":status"], fields["content-type"], answer} end,
    logErr = function(_, why) told.error = why end,
  }
  envoy_on_request(handle)
  return made or false, answered or false, told["headgate.ai:guard"], told.error, headers["content-length"]
end
"""


class Guarded(NamedTuple):
    """What came of a request.

    Attributes:
        body: the body as it goes on; None if it stays as it was.
        status: that of the answer; 0 if the request goes on.
        answer: its body.
        told: what logs are told of it.
        length: the header Content-Length.
    """

    body: bytes | None
    status: int
    answer: Any
    told: str
    length: str

    @property
    def json(self) -> Any:
        """The body as it goes on."""
        assert self.body is not None
        return json.loads(self.body)


@cache
def _runtime() -> tuple[Any, Any]:
    runtime = LuaRuntime(encoding="latin-1")
    return runtime, runtime.execute(guard_script() + _ENVOY)


def guarded(program: str, body: bytes | object, path: str = CHAT, headers: Mapping[str, str] | None = None) -> Guarded:
    """Return what becomes of a request; a body that is no bytes is sent as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    runtime, run = _runtime()
    fields = {":method": "POST", ":path": path, "content-length": str(len(text)), **(headers or {})}
    made, answered, told, error, length = run(
        program.encode().decode("latin-1"), runtime.table_from(fields), text.decode("latin-1")
    )
    assert error is None, error
    changed = made.encode("latin-1") if made is not False else None
    if answered is False:
        return Guarded(changed, 0, None, told or "", length)
    assert changed is None
    assert answered[2] == "application/json"
    return Guarded(None, int(answered[1]), json.loads(answered[3].encode("latin-1")), told or "", length)
