"""What proxies refuse, by the routes that it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from translator.db import DELIVERY, Db, Served
from translator.engine.query import index
from translator.refs import Ref


class Refusal(NamedTuple):
    """Something that came of a route and that a Gateway's proxies refuse; see `translator.db.Rejection`."""

    gateway: Ref
    type_url: str
    name: str
    message: str
    rules: tuple[str, ...]
    served: Served
    generation: int


@index(DELIVERY, partitions=lambda _, gateway: (gateway,), partition_of=itemgetter(1))
def refusals(db: Db, gateway: Ref) -> Iterator[tuple[tuple[Ref, Ref], Refusal]]:
    """Index what the proxies of a Gateway refuse by the route that it came of, and the Gateway."""
    for each in db.delivery(gateway).rejections:
        for route, rules, served, generation in each.concerns:
            yield (route, gateway), Refusal(gateway, each.type_url, each.name, each.message, rules, served, generation)
