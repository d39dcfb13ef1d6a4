"""Lua: the scripts of users, which Envoy runs in LuaJIT.

Envoy refuses the whole resource for a script that does not compile, or whose statements fail when it is loaded; and it
lets a request pass whose script fails. So scripts are compiled here first, by LuaJIT too, and never run; and Envoy gets
them with statements around that have a failure be the answer 500.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/lua_filter
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, Final

_BEFORE: Final = "local loaded, fault = pcall(function(...) "
_AFTER: Final = """
end)
local on_request, on_response = envoy_on_request, envoy_on_response
if not loaded then
  on_request, on_response = function() error(fault, 0) end, nil
end
envoy_on_request, envoy_on_response = nil, nil
if on_request then
  function envoy_on_request(handle)
    local passed, why = pcall(on_request, handle)
    if not passed then
      handle:logErr("the script failed: " .. tostring(why))
      handle:respond({[":status"] = "500"}, "A script failed.\\n")
    end
  end
end
if on_response then
  function envoy_on_response(handle)
    local passed, why = pcall(on_response, handle)
    if not passed then
      handle:logErr("the script failed: " .. tostring(why))
      handle:headers():replace(":status", "500")
    end
  end
end
"""
_FAULT: Final = re.compile(r"^script:(?:(\d+): )?(.*)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")


@lru_cache(maxsize=64)  # the same script is checked for each route that inherits it beside its own
def check_script(text: str) -> str | None:
    """Return what is wrong with a script, with its line; None if Envoy compiles it. It is not run."""
    if found := _CONTROL.search(text):
        # Among them is the first character of compiled code, which can do anything to the process.
        line = text.count("\n", 0, found.start()) + 1
        return f"line {line} has the control character {found[0]!r}: remove it"
    return _compile(text) or _compile(guarded(text))


def guarded(script: str) -> str:
    """Return a script, of which a failure is the answer 500 to the request, and the status of the response.

    Lines keep their numbers.
    """
    return f"{_BEFORE}{script}{_AFTER}"


def _compile(text: str) -> str | None:
    from lupa.luajit21 import LuaError

    try:
        _runtime().compile(text, name="=script", mode="t")
    except LuaError as error:
        found = _FAULT.match(str(error))
        line, words = (found[1], found[2]) if found else (None, str(error))
        return f"{f'line {line}: ' if line else ''}{words}"
    return None


@cache
def _runtime() -> Any:
    from lupa.luajit21 import LuaRuntime

    # Nothing runs in it: it only compiles.
    return LuaRuntime(register_eval=False, register_builtins=False)
