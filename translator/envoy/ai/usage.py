"""How many tokens a response has cost, as dynamic metadata (`headgate.ai`), for logs, metrics and limits.

A filter of the provider's cluster reads it from the response (``ai_protocol_manager``) and leaves it where only scripts
can read it; the script here makes it readable for all. What it tells:

| key | value |
| --- | --- |
| `input`, `cached`, `output`, `total` | tokens; cached ones are among the input |
| `micro_usd` | the cost in millionths of a USD, rounded up, where the route has a price |
| `estimated` | whether it is not the provider's word, as of a response that was cut before its end |
| `request_model`, `model` | the model that the request names; the one that the provider named |
| `rule_model` | the model, or pattern, of the rule that was chosen: no client can make up new ones |
| `route` | the object that the route is of: its kind, namespace and name |
| `error` | the status of a response that is an error |
| `operation` | `chat`, `text_completion`, `embeddings` or `other`, by the path |
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua, LuaPerRoute
from translator.envoy.ai import script
from translator.envoy.http_filters import AI_USAGE
from translator.envoy.lua_filter import lua_filter
from translator.ir.ai import Price

NAMESPACE: Final = "headgate.ai"
"""The namespace of the metadata."""
FILTER: Final = "headgate.ai.usage.script"
"""The name of the filter in its slot, under which it finds what its route says."""


@cache
def usage_filter() -> Lua:
    """Return the filter, which is the same in all routes; nobody changes it."""
    return lua_filter(FILTER, script("usage"))


def usage_context(price: Price | None = None, model: str = "") -> LuaPerRoute:
    """Return what a route tells the filter.

    Args:
        price: what tokens cost; None for a model without a price.
        model: what its rule matches, such as ``gpt-4o`` or ``gpt-*``; "" where it matches no model.
    """
    made = LuaPerRoute()
    if price is not None:
        made.filter_context["input_price"] = price.input
        made.filter_context["cached_price"] = price.input if price.cached_input is None else price.cached_input
        made.filter_context["output_price"] = price.output
    if model:
        made.filter_context["model"] = model
    made.filter_context.SetInParent()
    return made


def write_usage(typed_per_filter_config: Any, price: Price | None = None, model: str = "") -> None:
    """Have a route tell what its requests cost: write the slot, and what the route says, into its map."""
    chain = FilterChainConfigPerRoute()
    chain.filter_chain.filters.add(name=FILTER).typed_config.Pack(usage_filter(), deterministic=True)
    typed_per_filter_config[AI_USAGE].Pack(chain, deterministic=True)
    typed_per_filter_config[FILTER].Pack(usage_context(price, model), deterministic=True)
