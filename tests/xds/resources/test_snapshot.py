"""Resources and snapshots are immutable, share unchanged parts, and have no dangling references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.xds.sample_resources import ca, cluster, endpoints, listener, routes
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot, diff
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

some = st.dictionaries(st.tuples(st.sampled_from([CLUSTER, ROUTE]), st.sampled_from("abcde")), st.binary(max_size=1))


def snapshot(wanted: dict[tuple[str, str], bytes]) -> Snapshot:
    """Return a snapshot with these contents."""
    return Snapshot.of(Resource.of(url, name, body) for (url, name), body in wanted.items())


def test_a_version_is_a_hash_of_the_content() -> None:
    """The same message has the same version in every process and replica, and another message another."""
    assert cluster("a").version == cluster("a").version == "4a095fbf25a753e0"
    assert cluster("a", timeout=2).version != cluster("a").version
    assert cluster("a") == cluster("a")
    assert endpoints("a", 1).name == "a"


def test_a_message_without_a_name_is_rejected() -> None:
    """A message without a name, or of another type, is not packed unless a name is given."""
    with pytest.raises(ValueError, match=r"Cluster: the message has no name; set its name field or pass name="):
        Resource.pack(cluster_pb2.Cluster())
    with pytest.raises(ValueError, match=r"core\.v3\.Node"):
        Resource.pack(base_pb2.Node(id="a"))
    assert Resource.pack(cluster_pb2.Cluster(), name="given").name == "given"


def test_duplicate_names_are_rejected() -> None:
    """Duplicate Resource Names: a snapshot cannot have two resources of one type and name."""
    with pytest.raises(ValueError, match=r"two resources of type .*Cluster are named 'a'"):
        Snapshot.of([cluster("a"), cluster("a", timeout=2)])
    assert len(Snapshot.of([cluster("a"), endpoints("a")])) == 2


def test_unchanged_types_are_shared() -> None:
    """Replacing a resource shares the mappings of other types; replacing by an equal one changes nothing."""
    before = Snapshot.of([cluster("a"), endpoints("a", 1), routes("r", {"/": "a"})])
    after = before.replace([endpoints("a", 2)])
    assert after.resources(CLUSTER) is before.resources(CLUSTER)
    assert after.resources(ENDPOINT) is not before.resources(ENDPOINT)
    assert before.resources(ENDPOINT)["a"] == endpoints("a", 1)
    assert before.replace([cluster("a")], [Reference(CLUSTER, "a"), Reference(ROUTE, "none")]) is before
    assert diff(before, after) == {ENDPOINT: {"a"}}
    assert repr(after) == "Snapshot(Cluster: 1, ClusterLoadAssignment: 1, RouteConfiguration: 1)"
    assert set(after.replace(removals=[Reference(ROUTE, "r")]).types()) == {CLUSTER, ENDPOINT}


def test_the_version_does_not_include_endpoints() -> None:
    """Endpoints, which change often, are not part of the version, which is the same in every process."""
    before = Snapshot.of([cluster("a"), endpoints("a", 1)])
    assert before.version == before.replace([endpoints("a", 2)]).version == Snapshot.of([cluster("a")]).version
    assert before.version != before.replace([cluster("a", timeout=2)]).version
    assert Snapshot.of([cluster("a")]).version == "e7ff813acf618aef4cd7a769f068f18d"


@given(some, some)
def test_the_version_follows_from_the_resources(
    before: dict[tuple[str, str], bytes], after: dict[tuple[str, str], bytes]
) -> None:
    """The version of a snapshot depends on its resources only, and not on how it was derived."""
    old, new = snapshot(before), snapshot(after)
    assert old.version
    changed = old.replace(new, [each.reference for each in old if new.get(each.reference) is None])
    assert changed.version == new.version
    assert (old.version == new.version) == (set(old) == set(new))


@given(some, some)
def test_replacing_the_difference_gives_the_other(
    old: dict[tuple[str, str], bytes], new: dict[tuple[str, str], bytes]
) -> None:
    """A snapshot with the difference to another one equals that, and a difference names only what differs."""
    before, after = snapshot(old), snapshot(new)
    removed = [Reference(*key) for key in old.keys() - new.keys()]
    made = before.replace([each for each in after if before.get(each.reference) != each], removed)
    assert {each.reference: each for each in made} == {each.reference: each for each in after}
    assert not diff(made, after)
    differing = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    assert {(url, name) for url, names in diff(before, after).items() for name in names} == differing


def test_dangling_references_are_found() -> None:
    """References to missing resources are listed with the resource that has them."""
    lost = routes("r", {"/": "a", "/b": "b"})
    made = Snapshot.of([lost, cluster("a"), endpoints("a"), listener("l", 80, "r"), cluster("c", secret="s")])
    assert sorted((each.name, need) for each, need in made.dangling()) == [
        ("c", Reference(ENDPOINT, "c")),
        ("c", Reference(SECRET, "s")),
        ("r", Reference(CLUSTER, "b")),
    ]
    assert not made.replace([cluster("b", eds=False), endpoints("c"), ca("s", "pem")]).dangling()


def test_a_snapshot_is_read_by_type_and_reference() -> None:
    """Resources are found by type, and by type and name; missing ones are empty or None."""
    made = Snapshot.of([cluster("a"), listener("l", 80, "r")])
    assert list(made.resources(LISTENER)) == ["l"]
    assert not made.resources(SECRET)
    assert made.get(Reference(CLUSTER, "a")) == cluster("a")
    assert made.get(Reference(CLUSTER, "b")) is None
    assert {each.name for each in made} == {"a", "l"}


def test_a_replaced_snapshot_knows_what_changed() -> None:
    """The difference to the snapshot that it was made of is not compared, and is what a comparison finds."""
    before = Snapshot.of([cluster("a"), cluster("b"), cluster("c"), endpoints("a", 1)])
    removals = [Reference(CLUSTER, "b"), Reference(CLUSTER, "none")]
    after = before.replace([cluster("a"), cluster("c", timeout=9), cluster("d"), endpoints("a", 2)], removals)
    found = {CLUSTER: frozenset({"b", "c", "d"}), ENDPOINT: frozenset({"a"})}
    assert after.changes(before) == diff(before, after) == found
    assert diff(before, Snapshot.of(after)) == found
    assert (Snapshot.of(after).changes(before), before.changes(after)) == (None, None)
    assert diff(after, before) == found
