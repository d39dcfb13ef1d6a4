"""Conditions of rules of `rbac` on where a client is, which a listener looks up (`geoIP` of ListenerPolicies).

Where a listener looks up nothing, such a condition cannot be told: it does not allow, and does deny. An address that is
in no database is nowhere: it matches no place, and does not hide.
"""

from __future__ import annotations

from collections.abc import Iterator

from headgate_proto.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from translator.envoy.geo import LOOKED_UP, NAMESPACE
from translator.envoy.predicates import Predicate, all_of, any_of, metadata, negated
from translator.objects.headgate.authorization import GeoPrincipal


def place(found: GeoPrincipal, denies: bool) -> Predicate:
    """Return whether a client is at a place."""
    return all_of([*_fields(found, denies)])


def _fields(found: GeoPrincipal, denies: bool) -> Iterator[Predicate]:
    for field in ("country", "region", "city", "asn", "isp"):
        if (value := getattr(found, field)) is not None:
            yield _told(field, _equals(field, str(value)), denies)
    if found.anonymous is not None:
        hides = _equals("anonymous", "true")
        yield _told("anonymous", hides if found.anonymous else negated(hides), denies)


def _told(field: str, found: Predicate, denies: bool) -> Predicate:
    looked_up = metadata(NAMESPACE, (f"{LOOKED_UP}{field}",), ValueMatcher(present_match=True))
    return any_of([found, negated(looked_up)]) if denies else all_of([found, looked_up])


def _equals(field: str, value: str) -> Predicate:
    made = ValueMatcher()
    made.string_match.exact = value
    return metadata(NAMESPACE, (field,), made)
