"""Assembly of a response, which clients share unless its bytes are specific to one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xds.protocol.client_state import Uncertain, last_acked
from xds.protocol.exclusive import in_takeover_order
from xds.protocol.response_cache import CachedResponse, ResponseCache
from xds.protocol.restated import STORED_FIRST, restated
from xds.protocol.substream import Substream
from xds.resources.aliases import ALIASED, entries
from xds.resources.resource import Resource


def assemble(
    cache: ResponseCache,
    substream: Substream,
    resources: Mapping[str, Resource],
    removed: Sequence[str],
    mark: str,
) -> CachedResponse:
    """Return a serialised response.

    Args:
        cache: The cache of shared responses.
        substream: The substream, before the response is recorded.
        resources: The resources to send, by the names that the client uses for them.
        removed: The names that it removes.
        mark: A mark that was not used before (`xds.protocol.restated`).
    """
    if substream.delta and substream.type_url in ALIASED:
        return _aliased(cache, substream, resources, removed)
    listed = [resources[name] for name in in_takeover_order(substream, resources)]
    stored_first = listed if substream.type_url in STORED_FIRST else ()
    unproven = {each.name for each in stored_first if _is_unproven(substream, each)}
    if unproven:
        listed = [(restated(each, mark) or each) if each.name in unproven else each for each in listed]
    if substream.delta:
        return cache.delta(substream.type_url, listed, sorted(removed), not unproven)
    return cache.sotw(substream.type_url, listed, not unproven)


def full(substream: Substream, upserts: Mapping[str, Resource], removed: Iterable[str]) -> dict[str, Resource]:
    """Return the resources of a full response, which repeats those that the client keeps.

    "The server must include the complete state of the world, meaning that all resources of the relevant type that are
    needed by the client must be included" ("Grouping Resources into Responses").
    """
    target = substream.target or {}
    state = {name: target[name] for name in substream.wanted()}
    for name in {*substream.dirty, *substream.nacked}.difference(upserts):
        good = last_acked(substream.state(name))
        if isinstance(good, Resource):
            state[name] = good
        else:
            state.pop(name, None)
    for name in removed:
        state.pop(name, None)
    return state


def _is_unproven(substream: Substream, resource: Resource) -> bool:
    """Return whether the client may have stored a resource without applying it, so that its ACK would prove nothing.

    Its type is one of `STORED_FIRST`. A reconnecting client may have stored a resource that it rejected, even under a
    name for which it uses another.
    """
    state = substream.state(resource.name)
    if resource in substream.client_nacks or (
        substream.returning and not (substream.nonce and isinstance(state, Resource))
    ):
        return True
    if isinstance(state, Uncertain) and resource in state.candidates:
        return True
    return any(resource == each.upserts.get(resource.name) for each in substream.outstanding)


def _aliased(
    cache: ResponseCache, substream: Substream, resources: Mapping[str, Resource], removed: Sequence[str]
) -> CachedResponse:
    """Return a response that contains resources which were requested by alias."""
    known = {name: each.name for name in [*resources, *removed] if isinstance(each := substream.state(name), Resource)}
    found = {each.name for each in resources.values()}
    removed_names = {known.get(name, name) for name in removed if substream.state(name) is not None}
    left = {was for name, was in known.items() if name in resources and was not in found}
    unknown = [name for name in removed if substream.state(name) is None]
    return cache.aliased(substream.type_url, entries(dict(resources), unknown), sorted(removed_names | left))
