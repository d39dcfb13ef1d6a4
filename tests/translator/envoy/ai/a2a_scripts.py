"""The scripts for agents that speak A2A, run in LuaJIT as in Envoy, without a proxy."""

from __future__ import annotations

from functools import cache
from typing import Any

from lupa.luajit21 import LuaRuntime

from translator.envoy.ai.a2a_filters import program

_ENVOY = """
return function(request, context, answer, body)
  local metadata, refused = {}, nil
  local function fields(found)
    return {get = function(_, name) return found[name] end, remove = function(_, name) found[name] = nil end,
      replace = function(_, name, value) found[name] = tostring(value) end}
  end
  local stream = {dynamicMetadata = function() return {
    get = function(_, space) return metadata[space] end,
    set = function(_, space, key, value)
      metadata[space] = metadata[space] or {}
      metadata[space][key] = value
    end,
  } end}
  local function handle(found, text)
    return {
      headers = function() return fields(found) end, streamInfo = function() return stream end,
      filterContext = function() return {get = function(_, name) return context[name] end} end,
      respond = function(_, headers) refused = headers[":status"] end, logWarn = function() end,
      body = function() return {
        length = function() return #text end,
        getBytes = function(_, first, count) return text:sub(first + 1, first + count) end,
        setBytes = function(_, made) body = made; return #made end,
      } end,
    }
  end
  envoy_on_request(handle(request, body))
  if answer then envoy_on_response(handle(answer, body)) end
  return refused, body, answer and answer["x-headgate-warning"]
end
"""


@cache
def _program(name: str) -> tuple[LuaRuntime, Any]:
    lua = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
    lua.execute(program(name))
    return lua, lua.execute(_ENVOY)


def refusal(message: str, *allowed: str, path: str = "/") -> str | None:
    """Return the status with which a message is refused where some methods are allowed; None if it is let in."""
    lua, run = _program("a2a_methods")
    written = path.encode().decode("latin-1")
    headers = {":method": "POST", ":path": written, "content-type": "application/json"}
    context = lua.table_from({"allow": list(allowed)}, recursive=True)
    found = run(lua.table_from(headers), context, None, message.encode("utf-8", "surrogatepass").decode("latin-1"))
    status: str | None = found[0]
    return status


def card(written: str, path: str = "/.well-known/agent-card.json", **context: str) -> tuple[str, str | None]:
    """Return a card as a client of https://a.test gets it, and the warning beside it.

    Args:
        written: the card as the agent has it.
        path: the path of the request.
        context: what the route tells the script; `from_` is its `from`.
    """
    lua, run = _program("a2a_card")
    headers = {":path": path, ":authority": "a.test", "x-forwarded-proto": "https"}
    told = lua.table_from({name.rstrip("_"): value for name, value in context.items()})
    answer = lua.table_from({":status": "200"})
    _, made, warning = run(lua.table_from(headers), told, answer, written.encode().decode("latin-1"))
    return made.encode("latin-1").decode(), warning
