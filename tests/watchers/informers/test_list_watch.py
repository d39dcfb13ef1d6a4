"""`ListWatch` folds lists and events into changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.informers.api_server import KIND, ApiServer, Applied, expected, settle, step
from translator.refs import Ref
from watchers.informers.list_watch import LIMIT, MOST_FAILURES, ListPage, ListWatch, Watch
from watchers.kubernetes.errors import ApiError, Malformed
from watchers.kubernetes.resource_version import older

NAMESPACES = ("a", "b", "c")

#: What happens, and its arguments: to the server, on the way to it, or to what is asked of it.
happenings = st.one_of(
    st.tuples(st.sampled_from(("put", "delete")), st.sampled_from(NAMESPACES), st.sampled_from("xyz")),
    st.tuples(st.just("step"), st.none() | st.integers(0, 3)),
    st.tuples(st.sampled_from(("compact", "failed", "too_large", "denied", "missing", "error", "garbage"))),
    st.tuples(st.just("select"), st.frozensets(st.sampled_from(NAMESPACES))),
)


class World:
    """A `ListWatch` and its server."""

    def __init__(self, selective: bool = False) -> None:
        self.server = ApiServer()
        self.mirror = ListWatch(KIND, selective)
        self.applied = Applied(self.mirror)
        self.selected: frozenset[str] | None = frozenset() if selective else None

    def happen(self, what: str, *args: Any) -> None:
        """Apply an action: to this object, the server, or the state."""
        for place in (self, self.server, self.mirror):
            if hasattr(place, what):
                getattr(place, what)(*args)
                return

    def step(self, events: int | None = None) -> None:
        """Send the next request, with a number of events if it is a watch."""
        step(self.mirror, self.server, self.applied, events)

    def select(self, namespaces: frozenset[str]) -> None:
        """Select other namespaces."""
        if self.selected is not None:
            self.selected = namespaces
            self.applied.take(*self.mirror.select(namespaces))

    def missing(self) -> None:
        """Remove the kind for a while."""
        self.applied.take(*self.mirror.not_installed())

    def error(self) -> None:
        """Send an ERROR event in a watch."""
        if isinstance(self.mirror.next(), Watch):
            with pytest.raises(ApiError):
                self.mirror.event({"type": "ERROR", "object": {"code": 500, "message": "etcdserver: timed out"}})
            self.mirror.failed()

    def garbage(self) -> None:
        """Send half a list."""
        body = {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "half"}}]}
        with pytest.raises(Malformed):
            self.mirror.page(body) if isinstance(self.mirror.next(), ListPage) else self.mirror.event(body)

    def settle(self) -> None:
        """Let requests succeed; then the reported objects are those of the server."""
        settle(self.mirror, self.server, self.applied)
        assert self.applied.versions == expected(self.server, self.selected)


@given(selective=st.booleans(), happened=st.lists(happenings, max_size=40))
def test_any_history_ends_with_the_server_s_objects(selective: bool, happened: list[tuple[Any, ...]]) -> None:
    """After any sequence of changes, failures, compaction and selection, exactly the changes were reported."""
    world = World(selective)
    for each in happened:
        world.happen(*each)
    world.settle()
    assert world.mirror.synced


@given(happened=st.lists(happenings, max_size=20))
def test_a_repeated_list_reports_only_differences(happened: list[tuple[Any, ...]]) -> None:
    """After 410 Gone all objects are listed again, page by page, and only differences are reported."""
    world = World()
    for each in happened:
        world.happen(*each)
    world.settle()
    before = world.applied.count
    world.mirror.expired()
    assert isinstance(world.mirror.next(), ListPage)
    world.settle()
    assert world.applied.count == before


def test_objects_deleted_between_watch_and_list_are_removed() -> None:
    """An object deleted between a watch and the next list is reported as deleted, a changed one as changed."""
    world = World()
    for name in "wxyz":
        world.server.put("a", name)
    world.settle()
    world.server.delete("a", "x")
    world.server.put("a", "y")
    world.server.compact()
    before = world.applied.count
    world.settle()
    assert (world.applied.count - before, sorted(ref.name for ref in world.applied.versions)) == (2, ["w", "y", "z"])


def test_an_object_that_replaced_another_stays() -> None:
    """The deletion of an object is not that of its successor, which a list may already have contained."""
    world = World(selective=True)
    world.select(frozenset({"a"}))
    world.server.put("a", "x")
    world.settle()
    (first,) = world.server.objects.values()
    world.server.delete("a", "x")
    world.server.put("a", "x")
    world.settle()
    assert world.mirror.event({"type": "DELETED", "object": first}) is None
    assert Ref(KIND, "a", "x") in world.mirror.known


def test_a_newly_selected_namespace_is_listed_separately() -> None:
    """A namespace selected later needs a list of it alone; the watch then continues from its position."""
    world = World(selective=True)
    world.server.put("a", "x")
    world.server.put("b", "x")
    world.select(frozenset({"a"}))
    world.settle()
    position = world.mirror.next()
    world.select(frozenset({"a", "b"}))
    assert world.mirror.next() == ListPage("b", LIMIT, "")
    world.step()
    assert (len(world.mirror.known), world.mirror.next()) == (2, position)
    world.select(frozenset({"b"}))
    assert list(world.mirror.known) == [Ref(KIND, "b", "x")]


def test_namespaces_selected_one_after_another_are_all_listed() -> None:
    """A namespace that is not listed yet stays pending when another one is selected."""
    world = World(selective=True)
    for namespace in NAMESPACES:
        world.server.put(namespace, "x")
    world.settle()
    for namespaces in ("a", "ab", "abc"):
        world.select(frozenset(namespaces))
    world.settle()


def test_a_full_list_covers_the_namespaces_selected_before() -> None:
    """A namespace selected before a full list starts needs no separate list."""
    world = World(selective=True)
    world.server.put("a", "x")
    world.select(frozenset({"a"}))
    world.step()
    assert isinstance(world.mirror.next(), Watch)


def test_a_namespace_deselected_during_its_list_is_listed_again() -> None:
    """The pages read before a namespace was deselected do not count when it is selected again."""
    world = World(selective=True)
    for name in "vwxyz":
        world.server.put("a", name)
    world.settle()
    world.select(frozenset({"a"}))
    world.step()
    world.select(frozenset())
    world.select(frozenset({"a"}))
    assert world.mirror.next() == ListPage("a", LIMIT, "")
    world.settle()


def test_an_expired_list_is_repeated_with_larger_pages() -> None:
    """After 410 for a continue token, the list is repeated from its start with larger pages."""
    world = World()
    for name in "vwxyz":
        world.server.put("a", name)
    world.step()
    asked = world.mirror.next()
    assert isinstance(asked, ListPage)
    assert asked.token
    world.server.delete("a", "v")
    world.server.compact()
    world.step()
    assert world.mirror.next() == ListPage("", LIMIT * 2, "")
    world.settle()


def test_a_too_large_page_is_halved() -> None:
    """A response that is too large halves the page size, down to single objects."""
    mirror = ListWatch(KIND)
    for _ in range(20):
        mirror.too_large()
    assert mirror.next() == ListPage("", 1, "")


def test_a_watch_that_keeps_failing_leads_to_a_list() -> None:
    """A version that the server never reaches, as after the restore of a backup, does not fail watches for ever."""
    world = World()
    world.settle()
    for _ in range(MOST_FAILURES - 1):
        world.mirror.failed()
        assert isinstance(world.mirror.next(), Watch)
    world.mirror.failed()
    assert isinstance(world.mirror.next(), ListPage)


def test_a_bookmark_advances_the_watch() -> None:
    """The version of a quiet kind does not expire: the next watch starts at the bookmark."""
    world = World()
    world.settle()
    assert world.mirror.event({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}) is None
    assert world.mirror.next() == Watch("99")


def test_a_kind_that_is_not_installed_has_no_objects() -> None:
    """If a kind is removed, so are its objects, and it is synced; when it is installed again, it is listed."""
    world = World()
    world.server.put("a", "x")
    world.settle()
    world.applied.take(*world.mirror.not_installed())
    assert (world.mirror.synced, world.applied.versions) == (True, {})
    world.settle()


def test_a_denied_list_keeps_the_known_objects() -> None:
    """A revoked role removes no routes; at the start, nothing counts as listed."""
    world = World()
    world.server.put("a", "x")
    world.settle()
    world.mirror.forbidden()
    assert list(world.applied.versions) == [Ref(KIND, "a", "x")]
    empty = ListWatch(KIND)
    empty.forbidden()
    assert empty.synced


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"items": []}, {"items": {}, "metadata": {"resourceVersion": "1"}}, {"type": "ADDED", "object": {}}],
)
def test_malformed_responses_change_nothing(body: object) -> None:
    """A response of a proxy in between changes nothing."""
    mirror = ListWatch(KIND)
    with pytest.raises(Malformed):
        mirror.page(body)
    with pytest.raises(Malformed):
        mirror.event(body)
    assert (mirror.known, mirror.synced) == ({}, False)


def test_events_older_than_a_separate_list_are_skipped() -> None:
    """The watch continues from before a namespace was listed: its older events change nothing."""
    world = World(selective=True)
    world.select(frozenset("a"))
    settle(world.mirror, world.server, world.applied)
    for _ in range(3):
        world.server.put("b", "x")
    ref = Ref(KIND, "b", "x")
    raw = world.server.objects["b", "x"]
    gone = {"metadata": {**raw["metadata"], "resourceVersion": str(world.server.revision)}}
    world.server.put("b", "x")
    world.select(frozenset("ab"))
    world.step()
    before = world.mirror.known[ref]
    assert (
        world.mirror.event({"type": "DELETED", "object": gone}) is None
    )  # as when labels stop to match, and match again
    count = world.applied.count
    settle(world.mirror, world.server, world.applied)
    assert (world.mirror.known[ref], world.applied.count) == (before, count)
    world.server.delete("b", "x")
    settle(world.mirror, world.server, world.applied)
    assert ref not in world.mirror.known


def test_a_list_that_cannot_be_continued_is_repeated() -> None:
    """If the server rejects a continue token, with any error, the list is repeated with larger pages."""
    mirror = ListWatch(KIND)
    mirror.page({"metadata": {"resourceVersion": "1", "continue": "token"}, "items": []})
    for _ in range(MOST_FAILURES):
        assert mirror.next() == ListPage("", LIMIT, "token")
        mirror.failed()
    assert mirror.next() == ListPage("", 2 * LIMIT, "")


@pytest.mark.parametrize(
    ("one", "other", "is_older"),
    [("9", "10", True), ("10", "9", False), ("9", "9", False), ("0009", "10", True), ("a", "b", False)],
)
def test_versions_are_compared_as_numbers(one: str, other: str, is_older: bool) -> None:
    """Versions that are numbers of any length are ordered; others are not."""
    assert older(one, other) is is_older
    assert older("1" + "0" * 5000, "2" + "0" * 5000)


def test_a_namespace_selected_during_a_full_list_is_listed_separately() -> None:
    """Earlier pages skipped the objects of a namespace selected after the first page; others are known at the end."""
    mirror = ListWatch(KIND, selective=True)
    mirror.select(frozenset("a"))
    mirror.page({"metadata": {"resourceVersion": "1", "continue": "token"}, "items": []})
    assert mirror.unlisted == {"a"}
    mirror.select(frozenset("ab"))
    mirror.page({"metadata": {"resourceVersion": "1"}, "items": []})
    assert mirror.unlisted == {"b"}
    assert mirror.next() == ListPage("b", LIMIT, "")
    mirror.page({"metadata": {"resourceVersion": "2"}, "items": []})
    assert not mirror.unlisted
