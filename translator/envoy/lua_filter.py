"""Scripts of Headgate's own as filters: each has one virtual machine in a worker, however many filters run it."""

from __future__ import annotations

from hashlib import blake2b

from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua


def lua_filter(name: str, text: str, *, of_cluster: bool = False) -> Lua:
    """Return the filter of a script.

    Args:
        name: what the name of its machine begins with, for those who read the configuration.
        text: the script.
        of_cluster: whether it is a cluster's, whose requests have left their route.
    """
    made = Lua(shared_vm_id=f"{name}/{blake2b(text.encode(), digest_size=16).hexdigest()}")
    made.default_source_code.inline_string = text
    if not of_cluster:
        # The route stays the one that was chosen: its successor may protect what this one does not.
        made.clear_route_cache.value = False
    return made
