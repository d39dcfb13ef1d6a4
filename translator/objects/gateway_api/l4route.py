"""What routes of connections and datagrams have in common: one rule, which forwards to backends by weight."""

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.route import Route, RouteSpec
from translator.objects.gateway_api.rules import BackendRef
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import SectionName


class L4RouteRule(Fields):
    """The backends that connections or datagrams are forwarded to, by weight."""

    name: SectionName | None = None
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=16)]


class L4RouteSpec(RouteSpec):
    """The parents of a route, and its one rule."""

    rules: Annotated[tuple[L4RouteRule, ...], Field(min_length=1, max_length=1)]


class L4Route(Route):
    """A route that forwards what it does not look into."""

    spec: L4RouteSpec
