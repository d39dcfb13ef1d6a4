"""The script that leaves tools out of lists, run in LuaJIT as in Envoy, without a proxy."""

from __future__ import annotations

from functools import cache
from typing import Any

from lupa.luajit21 import LuaRuntime

from translator.envoy.ai import script

_ENVOY = """
return function(request, tokens, context, method, status, kind, encoding, body)
  local metadata = {["envoy.filters.http.mcp"] = {method = method}, ["envoy.filters.http.jwt_authn"] = tokens}
  local function fields(found)
    return {
      get = function(_, name) return found[name] end, remove = function(_, name) found[name] = nil end,
      replace = function(_, name, value) found[name] = tostring(value) end,
      getNumValues = function(_, name) return found[name] and 1 or 0 end,
      getAtIndex = function(_, name) return found[name] end,
    }
  end
  local answer = {[":status"] = status, ["content-type"] = kind, ["content-encoding"] = encoding}
  local stream = {dynamicMetadata = function() return {
    get = function(_, space) return metadata[space] end,
    set = function(_, space, key, value) metadata[space] = {[key] = value} end,
  } end}
  local function handle(found)
    return {
      headers = function() return fields(found) end, streamInfo = function() return stream end,
      filterContext = function() return {get = function(_, name) return context[name] end} end,
      body = function() return {
        length = function() return #body end,
        getBytes = function(_, first, count) return body:sub(first + 1, first + count) end,
        setBytes = function(_, text) body = text; return #text end,
      } end,
    }
  end
  envoy_on_request(handle(request))
  envoy_on_response(handle(answer))
  return body, answer[":status"]
end
"""


@cache
def _program() -> tuple[LuaRuntime, Any]:
    lua = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
    lua.execute(script("mcp_list"))
    return lua, lua.execute(_ENVOY)


def answered(
    body: str,
    context: dict[str, Any],
    *,
    kind: str = "application/json",
    encoding: str | None = None,
    status: str = "200",
    method: str = "tools/list",
    headers: dict[str, str] | None = None,
    tokens: dict[str, Any] | None = None,
) -> tuple[str, int]:
    """Return the body that an agent gets, and the status.

    Args:
        body: what the server answers.
        context: what the route tells the script.
        kind: the media type of the answer.
        encoding: its encoding, if it has one.
        status: its status.
        method: what the agent asks for.
        headers: those of its request.
        tokens: the claims of its tokens, by their place in the metadata of requests.
    """
    lua, run = _program()
    table = lua.table_from
    given = table({"deny": [], "rules": [], **context}, recursive=True)
    found = run(
        table(headers or {}),
        table(tokens or {}, recursive=True),
        given,
        method,
        status,
        kind,
        encoding,
        body.encode().decode("latin-1"),
    )
    return found[0].encode("latin-1").decode(), int(found[1])
