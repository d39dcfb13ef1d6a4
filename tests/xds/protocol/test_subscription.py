"""Subscriptions: the examples of "How the client specifies what resources to return", and exceptions."""

from xds.protocol.subscription import Subscription


def test_the_specification_s_example_for_sotw() -> None:
    """No names are a wildcard; `*` and A are both; A drops the wildcard; no names, then, drop all."""
    wanted = Subscription()
    wanted.replace([])
    assert wanted.covers("anything")
    wanted.replace(["*", "A"])
    assert wanted.covers("anything")
    assert wanted.names == {"A"}
    wanted.replace(["A"])
    assert (wanted.covers("A"), wanted.covers("anything")) == (True, False)
    wanted.replace([])
    assert not wanted.covers("A")
    assert not wanted.covers("anything")


def test_the_specification_s_example_for_incremental() -> None:
    """No names are a wildcard; A is added; without `*`, A remains; without A, nothing does."""
    wanted = Subscription()
    wanted.change([])
    assert wanted.covers("anything")
    wanted.change(["A"])
    assert wanted.covers("anything")
    assert wanted.names == {"A"}
    wanted.change([], ["*"])
    assert (wanted.covers("A"), wanted.covers("anything")) == (True, False)
    wanted.change([], ["A"])
    assert not wanted.covers("A")
    assert not wanted.covers("anything")


def test_a_client_that_begins_with_names_has_no_wildcard() -> None:
    """Names in the first request mean these names, and an empty list after them means nothing."""
    sotw, delta = Subscription(), Subscription()
    sotw.replace(["A"])
    delta.change(["A"])
    for wanted in (sotw, delta):
        assert (wanted.covers("A"), wanted.covers("B")) == (True, False)
    sotw.replace([])
    delta.change([], ["A"])
    for wanted in (sotw, delta):
        assert (wanted.covers("A"), wanted.covers("B")) == (False, False)


def test_a_legacy_wildcard_ends_with_a_name_in_sotw() -> None:
    """Once a name is given without `*`, the legacy wildcard has ended."""
    wanted = Subscription()
    wanted.replace([])
    wanted.replace(["A"])
    assert not wanted.covers("B")
    wanted.replace(["*"])
    assert wanted.covers("B")


def test_phantom_unsubscriptions_are_ignored() -> None:
    """Unsubscribing from other names changes nothing, and is no legacy wildcard in a first request."""
    wanted = Subscription()
    wanted.change(["A"], ["B", "*"])
    assert wanted.names == {"A"}
    other = Subscription()
    other.change([], ["B"])
    assert not other.covers("B")
    legacy = Subscription()
    legacy.change([])
    legacy.change([], ["B"])
    assert legacy.covers("B")


def test_acknowledgements_do_not_change_a_subscription() -> None:
    """An incremental request without names leaves names and wildcard as they are."""
    wanted = Subscription()
    wanted.change(["A", "*"])
    wanted.change([])
    assert wanted.wildcard
    assert wanted.names == {"A"}


def test_equal_subscriptions_of_many_names_are_one_set() -> None:
    """Proxies of one Gateway subscribe to the same names, which are stored once."""
    one, two, other = Subscription(), Subscription(), Subscription()
    one.change([f"name-{each}" for each in range(100)])
    two.change([f"name-{each}" for each in range(100)])
    other.change([f"name-{each}" for each in range(1, 101)])
    assert one.names is two.names
    assert one.names != other.names
