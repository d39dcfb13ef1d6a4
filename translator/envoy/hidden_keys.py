"""The script that takes keys out of requests, where one may be in the query.

Envoy's own filters decode the other parameters too when they take one out: an encoded ``&`` in a value begins a
parameter then, and an encoded blank ends the path. This script leaves the others as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Template
from typing import Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua

_SCRIPT: Final = Template(
    """\
local headers, parameters, cookies = {$headers}, {$parameters}, {$cookies}

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

local function without(text, separator, hidden, named)
  local kept = {}
  for part in (text .. separator):gmatch("([^" .. separator .. "]*)" .. separator) do
    if not hidden[named(part)] then kept[#kept + 1] = part end
  end
  return table.concat(kept, separator)
end

function envoy_on_request(handle)
  local found = handle:headers()
  for name in pairs(headers) do found:remove(name) end
  local path = found:get(":path")
  local before, query = path:match("^([^?]*)%?(.*)$$")
  if query then
    query = without(query, "&", parameters, function(part) return decoded(part:match("^[^=]*")) end)
    local after = query == "" and before or before .. "?" .. query
    if after ~= path then found:replace(":path", after) end
  end
  local cookie = next(cookies) and found:get("cookie")
  if cookie then
    local rest = without(cookie, ";", cookies, function(part) return part:match("^%s*([^=]-)%s*=") or "" end)
    rest = rest:gsub("^%s+", "")
    if rest == "" then found:remove("cookie") elseif rest ~= cookie then found:replace("cookie", rest) end
  end
end
"""
)


def hide_keys(headers: Iterable[str], parameters: Iterable[str], cookies: Iterable[str]) -> Lua:
    """Return the filter that takes headers, parameters of the query and cookies out of requests; the route stays."""
    tables = {"headers": headers, "parameters": parameters, "cookies": cookies}
    made = Lua()
    made.default_source_code.inline_string = _SCRIPT.substitute(_written(tables))
    made.clear_route_cache.value = False
    return made


def _written(tables: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the names of each table, as the keys of one in Lua."""
    return {table: ", ".join(f"[{_quoted(each)}] = true" for each in names) for table, names in tables.items()}


def _quoted(text: str) -> str:
    """Return a string of Lua: every byte as its number, so that none has a meaning."""
    return '"' + "".join(f"\\{byte:03}" for byte in text.encode()) + '"'
