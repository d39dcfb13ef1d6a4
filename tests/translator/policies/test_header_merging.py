"""Merging of lists of headers: a header is changed as the most specific policy that names it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from translator.objects.headgate.headers import WAYS, HeaderModifiers, HostRewrite, ResponseHeaderModifier
from translator.policies.merging import Contribution, merge
from translator.refs import Ref

NAMES: Final = ("x-a", "x-b", "x-c")
Changes = Mapping[str, str]
"""By the name of a header, how it is changed."""


def modifiers(changes: Changes) -> HeaderModifiers:
    """Return the value of a policy."""
    lists: dict[str, list[object]] = {}
    for name, way in changes.items():
        lists.setdefault(way, []).append(name if way == "remove" else {"name": name, "value": way})
    aliased = {"addIfAbsent" if way == "add_if_absent" else way: items for way, items in lists.items()}
    return HeaderModifiers.model_validate({"response": aliased})


def changes_of(found: ResponseHeaderModifier) -> dict[str, str]:
    """Return how headers are changed; each must be in one list."""
    items = [(each if isinstance(each, str) else each.name, way) for way in WAYS for each in getattr(found, way)]
    assert len(dict(items)) == len(items)
    return dict(items)


policies = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WAYS), min_size=1), st.booleans()), min_size=1
)


@given(policies)
def test_the_most_specific_policy_changes_a_header(given_policies: list[tuple[Changes, bool]]) -> None:
    """Of several levels the last that names a header changes it, but for enforced ones, of which the first does."""
    contributions = [
        Contribution(level, Ref("TrafficPolicy", "default", str(level)), modifiers(changes), enforced=enforced)
        for level, (changes, enforced) in enumerate(given_policies)
    ]
    merged = merge(contributions)
    assert isinstance(merged.value, HeaderModifiers)
    assert merged.value.response is not None
    expected: dict[str, tuple[str, int]] = {}
    for level, (changes, enforced) in enumerate(given_policies):
        expected |= {} if enforced else {name: (way, level) for name, way in changes.items()}
    for level, (changes, enforced) in reversed([*enumerate(given_policies)]):
        expected |= {name: (way, level) for name, way in changes.items()} if enforced else {}
    assert changes_of(merged.value.response) == {name: way for name, (way, _) in expected.items()}
    assert {each.name for each in merged.origins.values()} == {str(level) for _, level in expected.values()}


def test_a_struct_without_fields_comes_from_a_policy() -> None:
    """What is only written, such as `auto` and `disable`, has an origin, and may be enforced."""
    gateway, route = (Ref("TrafficPolicy", "default", name) for name in ("gateway", "route"))
    auto = HostRewrite.model_validate({"auto": {}})
    off = HostRewrite.model_validate({"disable": {}})
    merged = merge([Contribution(0, gateway, auto), Contribution(1, route, off)])
    assert (merged.value, merged.origins) == (off, {"disable": route})
    merged = merge([Contribution(0, gateway, auto, enforced=True), Contribution(1, route, off)])
    assert (merged.value, merged.origins, merged.enforced) == (auto, {"auto": gateway}, frozenset({"auto"}))
