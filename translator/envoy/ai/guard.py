"""The script that looks at prompts, and changes them, before a request goes anywhere.

It is one script, in one virtual machine of a worker; each filter tells it by its context what to do, as JSON. It
shares the code for JSON with the program that runs templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from translator.envoy import transformation
from translator.envoy.ai import script
from translator.envoy.lua_filter import lua_filter

HEADERS: Final = "headgate.ai.guard.headers"
HOLD: Final = "headgate.ai.guard.hold"
FILTER: Final = "headgate.ai.guard"
"""The names of the filters in their slot."""
_SHARED: Final = ("values", "text", "json")


@cache
def guard_script() -> str:
    """Return the script, with what it shares."""
    shared = [script(each, transformation.__name__) for each in _SHARED]
    return "\n".join([*shared, script("search"), script("guard")])


def guard_filters(program: str, held: int) -> Iterator[tuple[str, Message]]:
    """Yield the filters, in their order, each with its name.

    The first refuses what its headers say is not for guards. The second holds the rest: a route that answers by itself
    has no limit of its own for what filters hold, and there a script could hold less than others. The third is the
    guard.

    What it is to do is in the filter itself, and not beside it: so a request that is moved to another route is only
    taken there if it went through the same.

    Args:
        program: what to do, as JSON.
        held: how many bytes of a body are held.
    """
    headers = lua_filter(FILTER, guard_script())
    headers.filter_context["limit"] = held
    yield HEADERS, headers
    buffer = Buffer()
    buffer.max_request_bytes.value = held
    yield HOLD, buffer
    made = lua_filter(FILTER, guard_script())
    made.filter_context["program"] = program
    yield FILTER, made
