"""Filters for agents that speak A2A (Agent2Agent): scripts, since Envoy's own are alpha and read less strictly.

Envoy's ``a2a`` filter tells the last of equal keys, and none that differs in case: agents take the first, or such a
one, as they are written. ``transform`` would change signed cards too, whose signature is then wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from translator.envoy.ai import script
from translator.envoy.lua_filter import lua_filter

CARD_PATH: Final = r"[^?#]*/\.well-known/agent(?:-card)?\.json(?:[?#].*)?"
"""A regular expression for the paths of agent cards (A2A 1.0, "Agent discovery"; 0.2 had the second name)."""


def methods_filter(allowed: Iterable[str]) -> Lua:
    """Return the filter that lets in requests with some methods only, and those for cards."""
    made = _filter("a2a_methods")
    made.filter_context.update({"allow": list(allowed)})
    return made


def card_filter(context: Mapping[str, str]) -> Lua:
    """Return the filter that has cards tell the addresses of the gateway.

    Args:
        context: what the script is told (`a2a_card.lua`).
    """
    made = _filter("a2a_card")
    made.filter_context.update(dict(context))
    return made


def _filter(name: str) -> Lua:
    return lua_filter(f"headgate.{name}", program(name))


@lru_cache(maxsize=2)
def program(name: str) -> str:
    """Return a script with what it finds places in JSON by."""
    return "\n".join((script("json_places"), script(name)))
