"""Requests whose model filters read: their route is picked again, with the filters of the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage

from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute
from translator.envoy.ai.model_filters import INFO, MODEL_HEADER
from translator.envoy.http_filters import AI, GUARD, MARK
from translator.explain.filters import Levels
from translator.explain.matches import Seen
from translator.explain.request import Header
from translator.explain.result import EnabledFilter

NO_JSON: Final = "the body is not JSON, or names a member twice, so that no model can be read"
REFUSED: Final = "the route of the model has other policies than the first route, whose filters the request has got"


class FirstRoute(NamedTuple):
    """What a request keeps of the route that has read its model.

    Attributes:
        filters: the filters that it enabled.
        mark: how it has marked the request.
    """

    filters: tuple[EnabledFilter, ...]
    mark: bytes

    @classmethod
    def of(cls, filters: Sequence[EnabledFilter], levels: Levels) -> FirstRoute:
        """Return it for a route with these filters and their configurations."""
        return cls(tuple(filters), _value(levels.configuration(MARK)))

    def refuses(self, levels: Levels) -> bool:
        """Return whether the guard refuses the request at a route: it protects otherwise than the first one."""
        guard, found = RBACPerRoute(), levels.configuration(GUARD)
        guarded = found is not None and found[1].Unpack(guard) and bool(guard.rbac.rules.policies)
        return guarded and _value(levels.configuration(MARK)) != self.mark


def _value(found: tuple[str, AnyMessage] | None) -> bytes:
    return found[1].value if found is not None else b""


def reads_model(levels: Levels) -> bool:
    """Return whether a route has filters that read the model of requests."""
    found, chain = levels.configuration(AI), FilterChainConfigPerRoute()
    return (
        found is not None and found[1].Unpack(chain) and any(each.name == INFO for each in chain.filter_chain.filters)
    )


def with_model(request: Seen, model: str) -> Seen:
    """Return a request whose model has been read: only that is in the header for it."""
    kept = tuple(each for each in request.headers if each.name != MODEL_HEADER)
    return replace(request, headers=(*kept, *([Header(MODEL_HEADER, model)] if model else [])), model=model)
