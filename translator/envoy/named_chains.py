"""Chains of filters that have a name in a discovered filter (Envoy's ``composite``), which routes run by it.

Filters that have state are there: whatever is in a route is made anew whenever its route configuration is updated, and
an update of the discovered filter changes no route. Routes that say one name share the state. Envoy lets requests pass
whose route says a name that is not there, so nothing that protects may depend on a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import (
    Composite,
    CompositePerRoute,
    ExecuteFilterAction,
)
from translator.envoy.filter_entries import DiscoveredPart, FilterConfig, FilterEntry, Passage


def named_chain(name: str, chain: str, *configs: Message) -> Iterator[FilterEntry]:
    """Yield what has routes run a chain of filters.

    Args:
        name: the name of the discovered filter that holds the chain (`translator.envoy.http_filters`).
        chain: the name of the chain.
        configs: the configurations of the filters in it, in their order.
    """
    route = CompositePerRoute()
    action = route.matcher.on_no_match.action
    action.name = chain
    action.typed_config.Pack(ExecuteFilterAction(filter_chain_name=chain), deterministic=True)
    yield FilterConfig(name, route)
    part = Composite()
    for place, config in enumerate(configs):
        named = f"{config.DESCRIPTOR.full_name}{f'/{place}' if place else ''}"
        member = part.named_filter_chains[chain].typed_config.add(name=named)
        member.typed_config.Pack(config, deterministic=True)
    yield DiscoveredPart(name, chain, part)


def passed_chain(name: str, key: str, configs: Iterable[Message]) -> tuple[list[FilterEntry], Passage]:
    """Return what has routes run a chain whose name is by its content, and that requests must have passed it.

    Args:
        name: the name of the discovered filter that holds the chain (`translator.envoy.http_filters`).
        key: the key of the trace that the chain writes behind its filters.
        configs: the configurations of the filters in it, in their order.
    """
    filters, digest = list(configs), blake2b(digest_size=16)
    for each in filters:
        digest.update(each.SerializeToString(deterministic=True))
    passage = Passage(key, digest.hexdigest())
    return list(named_chain(name, passage.value, *filters, passage.trace)), passage
