"""The script that tells what requests cost, run in LuaJIT as in Envoy, without a proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lupa.luajit21 import LuaRuntime

from translator.envoy.ai import script
from translator.envoy.ai.usage import usage_context
from translator.ir.ai import Price

_ENVOY = """
local told, expired = {}, 0
local function new(object) return setmetatable({born = expired}, {__index = function(self, name)
  if rawget(self, "born") ~= expired then error("object used outside of proper scope") end
  return object[name]
end}) end
local function getter(found) return function() return new({get = function(_, key) return found[key] end}) end end
local function chunks_of(list)
  return function()
    local place = 0
    return function()
      place = place + 1
      expired = expired + 1
      local text = list[place]
      if text == nil then return nil end
      local function bytes(_, first, count) return text:sub(first + 1, first + count) end
      return new({length = function() return #text end, getBytes = bytes})
    end
  end
end
local function handle_of(headers, chunks, context, model, typed)
  local metadata = {
    set = function(_, space, key, value)
      assert(space == "headgate.ai", space)
      told[key] = value
    end,
    get = function(_, space) return told end,
  }
  local stream = {
    dynamicMetadata = function() return new(metadata) end,
    dynamicTypedMetadata = function(_, space) return typed and space == "envoy.ai.token_usage" and typed or nil end,
    routeName = function() return "ModelRoute/ns/llm/rule/a/match/0" end,
    filterState = getter({["envoy.ai.model.request"] = model}),
  }
  return {
    headers = getter(headers), filterContext = getter(context), bodyChunks = chunks_of(chunks),
    streamInfo = function() return new(stream) end,
    trailers = function() expired = expired + 1 end,
  }
end
return function(request, asked, response, answered, context, model, typed, cut)
  told = {}
  envoy_on_request(handle_of(request, asked, context, model))
  if response then
    local found = handle_of(response, answered, context, nil, typed)
    if cut then found.trailers = function() error("cut") end end
    local ok, why = pcall(envoy_on_response, found)
    if not ok and not why:find("cut", 1, true) then error(why) end
  end
  return told
end"""


CHAT = {":path": "/v1/chat/completions", "content-length": "40"}


@dataclass(frozen=True)
class Exchange:
    """A request and its response.

    Attributes:
        request: the headers of the request.
        asked: the chunks of its body.
        response: the headers of the response; None if the client went away before.
        answered: the chunks of its body.
        usage: what Envoy has read of it, as `envoy.data.ai.v3.TokenUsage`; None for nothing.
        model: the model that Envoy has read of the request.
        is_cut: whether the response was cut behind its last chunk.
    """

    request: Mapping[str, str] = field(
        default_factory=lambda: {":path": "/v1/chat/completions", "content-length": "40"}
    )
    asked: Sequence[bytes] = ()
    response: Mapping[str, str] | None = field(
        default_factory=lambda: {":status": "200", "content-type": "application/json"}
    )
    answered: Sequence[bytes] = ()
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    is_cut: bool = False


@cache
def _runtime() -> tuple[Any, Any]:
    runtime = LuaRuntime(encoding="latin-1")
    return runtime, runtime.execute(script("usage") + _ENVOY)


def told(exchange: Exchange, price: Price | None = None, model: str = "") -> dict[str, Any]:
    """Return what the script tells of a request, on a route with this price and model."""
    runtime, run = _runtime()
    context = {key: _plain(each) for key, each in usage_context(price, model).filter_context.items()}

    def table(found: Any) -> Any:
        if isinstance(found, Mapping):
            return runtime.table_from({key: table(each) for key, each in found.items()})
        if isinstance(found, Sequence) and not isinstance(found, str | bytes):
            return runtime.table_from([each.decode("latin-1") for each in found])
        return found

    made = run(
        table(exchange.request),
        table(exchange.asked),
        table(exchange.response),
        table(exchange.answered),
        table(context),
        exchange.model,
        table(exchange.usage),
        exchange.is_cut,
    )
    return {str(key): value for key, value in made.items()}


def _plain(found: Any) -> Any:
    return int(found) if isinstance(found, float) else found
