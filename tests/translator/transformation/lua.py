"""Templates run by the proxy's program, in LuaJIT as in Envoy, without a proxy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from lupa.luajit21 import LuaRuntime

from translator.envoy.transformation import whole_script
from translator.languages.templates import read_template

MEGABYTE = 1 << 20
EMPTY: Mapping[str, str] = {}

_RENDER = """
return function(statements, body, limit, header)
  local text = compile_template(J.read(statements, MAX_PROGRAM_VALUES, MAX_PROGRAM_DEPTH))
  prepare({headers = function() return {get = header} end}, {limit = limit}, true, {})
  S.body = body
  if body ~= "" then
    local read, json = pcall(J.read, body)
    local why = json == LARGE_JSON and "too much JSON" or json == BAD_JSON and "no JSON" or json
    if not read then return false, why, 0, 0 end
    S.json, S.variables = json, type(json) == "table" and json.v or {}
  end
  local ok, found = pcall(text)
  return ok, found, S.steps, S.work
end"""


class Rendered(NamedTuple):
    """What came of a template: its text, or what failed; the steps of its loops, and what is left of its costs."""

    text: str
    failed: bool
    steps: int
    left: int


@cache
def _renderer() -> Any:
    return LuaRuntime(encoding=None).execute((whole_script() + _RENDER).encode())


def render(template: str, data: Any = None, limit: int = MEGABYTE, headers: Mapping[str, str] = EMPTY) -> Rendered:
    """Render a template for a request with a JSON body and headers."""
    return render_body(template, b"" if data is None else json.dumps(data).encode(), limit, headers)


def render_body(template: str, body: bytes, limit: int = MEGABYTE, headers: Mapping[str, str] = EMPTY) -> Rendered:
    """Render a template for a request with a body, of JSON, and headers."""
    known = {name.encode(): value.encode() for name, value in headers.items()}
    statements = json.dumps(read_template(template).statements).encode()
    ok, text, steps, left = _renderer()(statements, body, limit, lambda _, name: known.get(name))
    return Rendered(text.decode() if isinstance(text, bytes) else repr(text), not ok, steps, left)
