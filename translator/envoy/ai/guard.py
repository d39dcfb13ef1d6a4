"""The script that looks at prompts, and changes them, before a request goes anywhere.

It is one script, in one virtual machine of a worker; each filter tells it by its context what to do, as JSON. It
shares the code for JSON with the program that runs templates.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Final

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from translator.envoy import transformation
from translator.envoy.ai import script

FILTER: Final = "headgate.ai.guard"
"""The name of the filter in its slot."""
_SHARED: Final = ("values", "text", "json")


@cache
def guard_script() -> str:
    """Return the script, with what it shares."""
    shared = [script(each, transformation.__name__) for each in _SHARED]
    return "\n".join([*shared, script("search"), script("guard")])


def guard_filter(program: str) -> Lua:
    """Return the filter.

    What it is to do is in the filter itself, and not beside it: so a request that is moved to another route is only
    taken there if it went through the same.

    Args:
        program: what to do, as JSON.
    """
    text = guard_script()
    made = Lua(shared_vm_id=f"{FILTER}/{blake2b(text.encode(), digest_size=16).hexdigest()}")
    made.default_source_code.inline_string = text
    # The route stays the one that was chosen: its successor may protect what this one does not.
    made.clear_route_cache.value = False
    made.filter_context["program"] = program
    return made
