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
    """A mirror and the server that it follows."""

    def __init__(self, selective: bool = False) -> None:
        self.server = ApiServer()
        self.mirror = ListWatch(KIND, selective)
        self.applied = Applied(self.mirror)
        self.selected: frozenset[str] | None = frozenset() if selective else None

    def happen(self, what: str, *args: Any) -> None:
        """Let something happen: here, to the server, or to what is asked of it."""
        for place in (self, self.server, self.mirror):
            if hasattr(place, what):
                getattr(place, what)(*args)
                return

    def step(self, events: int | None = None) -> None:
        """Have the mirror ask once, and hear so many events if it watches."""
        step(self.mirror, self.server, self.applied, events)

    def select(self, namespaces: frozenset[str]) -> None:
        """Other namespaces count."""
        if self.selected is not None:
            self.selected = namespaces
            self.applied.take(*self.mirror.select(namespaces))

    def missing(self) -> None:
        """Take the kind away for a while."""
        self.applied.take(*self.mirror.not_installed())

    def error(self) -> None:
        """Have a watch bring an ERROR event."""
        if isinstance(self.mirror.next(), Watch):
            with pytest.raises(ApiError):
                self.mirror.event({"type": "ERROR", "object": {"code": 500, "message": "etcdserver: timed out"}})
            self.mirror.failed()

    def garbage(self) -> None:
        """Give half a list."""
        body = {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "half"}}]}
        with pytest.raises(Malformed):
            self.mirror.page(body) if isinstance(self.mirror.next(), ListPage) else self.mirror.event(body)

    def settle(self) -> None:
        """All is well for a while; then what was told is what the server has."""
        settle(self.mirror, self.server, self.applied)
        assert self.applied.versions == expected(self.server, self.selected)


@given(selective=st.booleans(), happened=st.lists(happenings, max_size=40))
def test_whatever_happens_it_ends_with_what_the_server_has(selective: bool, happened: list[tuple[Any, ...]]) -> None:
    """After any interleaving of changes, cuts, errors, compaction, selection: just the changes are told, and all."""
    world = World(selective)
    for each in happened:
        world.happen(*each)
    world.settle()
    assert world.mirror.synced


@given(happened=st.lists(happenings, max_size=20))
def test_a_list_that_finds_nothing_new_tells_nothing(happened: list[tuple[Any, ...]]) -> None:
    """After 410 Gone all is listed again, page by page, and only what differs is told."""
    world = World()
    for each in happened:
        world.happen(*each)
    world.settle()
    before = world.applied.count
    world.mirror.expired()
    assert isinstance(world.mirror.next(), ListPage)
    world.settle()
    assert world.applied.count == before


def test_what_vanished_while_nobody_looked_is_gone() -> None:
    """An object that is deleted between a watch and the list after it is told as gone, one that changed as changed."""
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


def test_an_object_that_took_the_name_of_another_stays() -> None:
    """The end of an object is not that of its successor, which a list may have told of before."""
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


def test_namespaces_that_come_are_listed_by_themselves() -> None:
    """A namespace that is selected later costs a list of it alone, then the watch goes on from where it was."""
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


def test_namespaces_that_come_one_after_the_other_are_all_listed() -> None:
    """A namespace that is still to be listed is not forgotten when another one comes."""
    world = World(selective=True)
    for namespace in NAMESPACES:
        world.server.put(namespace, "x")
    world.settle()
    for namespaces in ("a", "ab", "abc"):
        world.select(frozenset(namespaces))
    world.settle()


def test_a_list_of_all_there_is_covers_the_namespaces_selected_before() -> None:
    """What was selected before a list began is in it: nothing needs to be listed by itself after it."""
    world = World(selective=True)
    world.server.put("a", "x")
    world.select(frozenset({"a"}))
    world.step()
    assert isinstance(world.mirror.next(), Watch)


def test_a_namespace_that_goes_while_it_is_listed_and_comes_back_is_listed_anew() -> None:
    """What was read of it before it went does not count."""
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


def test_a_list_that_expires_is_begun_anew_with_larger_pages() -> None:
    """410 for a continue token: what was read of the list does not count, and the next try asks for more at once."""
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


def test_too_large_a_page_is_asked_for_in_parts() -> None:
    """An answer that is longer than is taken in halves the pages, down to single objects."""
    mirror = ListWatch(KIND)
    for _ in range(20):
        mirror.too_large()
    assert mirror.next() == ListPage("", 1, "")


def test_a_watch_that_keeps_failing_makes_a_list() -> None:
    """A version that the server never comes to, as after a backup was restored, does not keep the watch failing."""
    world = World()
    world.settle()
    for _ in range(MOST_FAILURES - 1):
        world.mirror.failed()
        assert isinstance(world.mirror.next(), Watch)
    world.mirror.failed()
    assert isinstance(world.mirror.next(), ListPage)


def test_a_bookmark_moves_the_watch_on() -> None:
    """A quiet kind's version does not grow old: the next watch begins where the bookmark was."""
    world = World()
    world.settle()
    assert world.mirror.event({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}) is None
    assert world.mirror.next() == Watch("99")


def test_a_kind_that_is_missing_has_no_objects() -> None:
    """Where the kind is gone so are its objects, and that is all there is to know; when it is back it is listed."""
    world = World()
    world.server.put("a", "x")
    world.settle()
    world.applied.take(*world.mirror.not_installed())
    assert (world.mirror.synced, world.applied.versions) == (True, {})
    world.settle()


def test_what_may_not_be_listed_keeps_what_is_known() -> None:
    """A role that was taken away takes no routes down; at the start, nothing counts as all there is."""
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
def test_what_is_nothing_of_an_api_server_is_refused(body: object) -> None:
    """A page that something between has put in changes nothing."""
    mirror = ListWatch(KIND)
    with pytest.raises(Malformed):
        mirror.page(body)
    with pytest.raises(Malformed):
        mirror.event(body)
    assert (mirror.known, mirror.synced) == ({}, False)


def test_what_a_list_knew_already_is_no_news() -> None:
    """The watch goes on from before a namespace was listed: neither an old version nor a false end comes of that."""
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
    )  # as when labels cease to match, and do again
    count = world.applied.count
    settle(world.mirror, world.server, world.applied)
    assert (world.mirror.known[ref], world.applied.count) == (before, count)
    world.server.delete("b", "x")
    settle(world.mirror, world.server, world.applied)
    assert ref not in world.mirror.known


def test_a_list_that_cannot_be_continued_is_begun_anew() -> None:
    """Where the server does not take a token, whatever it says, the list is asked for again in larger pages."""
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
    """Whatever their length, versions that are numbers are ordered, and others are not."""
    assert older(one, other) is is_older
    assert older("1" + "0" * 5000, "2" + "0" * 5000)


def test_a_namespace_that_comes_while_all_is_listed_is_listed_itself() -> None:
    """Of one that was selected after the first page, earlier pages were passed over; others are known at the end."""
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
