"""The program that runs templates in the proxy: a script of Envoy's Lua filter, the same for all routes.

Routes give it what their policies say as text (`program` in the filter's context), never as code. It is one script of
several files, read with the first use. All connection managers of a worker share one virtual machine, named by the
script's digest.

While no route of a Gateway needs the program, the filter has a script that refuses everything: a route that runs the
filter has its requests refused rather than passed on as they are.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/lua_filter
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from translator.envoy.lua_filter import lua_filter

_PARTS: Final = ("values", "text", "json", "functions", "expressions", "statements", "message")


@cache
def whole_script() -> str:
    """Return the files as one, line by line, without comments and indentation, which proxies need not hold."""
    files = resources.files(__name__)
    lines = "".join(files.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in _PARTS).splitlines()
    return "\n".join("" if each.lstrip().startswith("--") else each.strip() for each in lines)


REFUSING: Final = """\
function envoy_on_request(handle)
  handle:respond({[":status"] = "500"}, "The transformation is not ready.\\n")
end
"""
"""The script while nothing needs the program."""


def _filter(text: str) -> Lua:
    return lua_filter("headgate.transformation", text)


def refusing_filter() -> Lua:
    """Make the configuration of the filter where nothing needs the program."""
    return _filter(REFUSING)


@cache
def program() -> Lua:
    """Return the configuration of the filter with the program; nobody changes it."""
    return _filter(whole_script())
