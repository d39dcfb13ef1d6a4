"""The orders in which requests try the members of groups, and how many requests have which."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from translator.extensions.backend_groups import FINEST, Group, orders
from translator.ir.backend import Backend, BackendKey
from translator.objects.headgate.prioritygroups import MOST_GROUPS, MOST_MEMBERS, MOST_WEIGHT


def group(number: int, *weights: int) -> Group:
    """Return a group of backends with these weights."""
    return tuple(
        (Backend(BackendKey("Service", f"group-{number}", str(place)), 80), weight)
        for place, weight in enumerate(weights)
    )


WEIGHTS = some.lists(some.integers(1, MOST_WEIGHT) | some.integers(1, 9), min_size=1, max_size=MOST_MEMBERS)
GROUPS = some.lists(WEIGHTS, min_size=1, max_size=MOST_GROUPS).map(
    lambda found: tuple(group(number, *weights) for number, weights in enumerate(found))
)


def test_an_example() -> None:
    """Two groups of two make as few orders as their weights allow."""
    found = orders((group(0, 3, 1), group(1, 1, 1)))
    names = {"".join(each.key.namespace[-1] + each.key.name for each in order): found[order] for order in found}
    assert names == {"00011011": 2, "00011110": 1, "01001110": 1}


@given(GROUPS)
def test_each_group_has_its_weights(groups: tuple[Group, ...]) -> None:
    """Each order has all members, group by group; which is a group's first, its weights say, to a millionth."""
    found = orders(groups)
    parts = sum(found.values())
    assert 0 < parts <= FINEST
    for order in found:
        assert [each.key.namespace for each in order] == [member.key.namespace for all_ in groups for member, _ in all_]
    for number, members in enumerate(groups):
        first: Counter[Backend] = Counter()
        for order, share in found.items():
            first[next(each for each in order if each.key.namespace == f"group-{number}")] += share
        total = sum(weight for _, weight in members)
        assert all(abs(first[member] / parts - weight / total) < 1e-6 for member, weight in members)
        assert all(first[member] for member, _ in members)
    assert len(found) <= 1 + sum(len(members) - 1 for members in groups)
