"""Ranges of addresses: of rules the first that has an address decides, of ranges the narrowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from translator.ir.sources import all_allow, narrowest_first

Rules = Sequence[tuple[list[str], bool]]
ADDRESSES = [
    *(f"10.{a}.{b}.{c}" for a in (0, 1) for b in (0, 128) for c in (0, 1, 255)),
    "::1",
    "2001:db8::",
    "192.0.2.1",
]
RANGES = st.one_of(
    st.builds(
        lambda address, length: str(ip_network(f"{address}/{length}", strict=False)),
        st.sampled_from(["10.0.0.0", "10.1.0.1", "10.0.128.255", "192.0.2.1"]),
        st.sampled_from([0, 7, 8, 15, 16, 17, 24, 31, 32]),
    ),
    st.sampled_from(["::/0", "2001:db8::/32", "::1/128"]),
)
RULES = st.lists(st.tuples(st.lists(RANGES, max_size=4), st.booleans()), max_size=5)


def by_rules(rules: Rules, default: bool, address: str) -> bool:
    """Return whether the first rule that has an address lets it in."""
    own = ip_address(address)
    return next((allow for ranges, allow in rules if any(own in ip_network(each) for each in ranges)), default)


def by_ranges(found: Mapping[str, bool], address: str) -> bool:
    """Return whether the narrowest range that has an address lets it in."""
    own = ip_address(address)
    around = [each for each in map(ip_network, found) if own in each]
    return found[str(max(around, key=lambda each: each.prefixlen))]


@given(RULES, st.booleans())
def test_the_narrowest_range_is_of_the_first_rule(rules: Rules, default: bool) -> None:
    """Ranges let in the addresses that the rules let in, whatever the order of the rules."""
    found = narrowest_first(rules, default)
    assert all(by_ranges(found, each) == by_rules(rules, default, each) for each in ADDRESSES)


@given(st.lists(st.tuples(RULES, st.booleans()), min_size=1, max_size=3))
def test_all_have_to_allow(several: list[tuple[Rules, bool]]) -> None:
    """Of several maps of ranges all have to let an address in."""
    found = all_allow([narrowest_first(*each) for each in several])
    for address in ADDRESSES:
        assert by_ranges(found, address) == all(by_rules(*each, address) for each in several)
