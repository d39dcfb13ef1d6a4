"""Wire primitives encode what the generated messages parse, and cached responses are shared."""

from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol import wire
from xds.protocol.response_cache import ResponseCache, version_of
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, ENDPOINT

names = st.text(max_size=300)
resources = st.lists(st.builds(Resource.of, st.just(CLUSTER), names, st.binary(max_size=400)), max_size=5)


@given(st.integers(0, 2**64 - 1))
def test_varint_is_read_back(value: int) -> None:
    """A varint has seven bits a byte, the lowest first, and only its last byte is below 128."""
    encoded = wire.varint(value)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded)) == value
    assert [byte < 0x80 for byte in encoded] == [False] * (len(encoded) - 1) + [True]


@given(resources, names)
def test_a_sotw_body_is_a_discovery_response(listed: list[Resource], nonce: str) -> None:
    """A response with a nonce appended parses as the DiscoveryResponse of exactly these resources."""
    body = ResponseCache().sotw(CLUSTER, listed)
    parsed = discovery_pb2.DiscoveryResponse.FromString(body.data + wire.nonce(nonce))
    expected = discovery_pb2.DiscoveryResponse(version_info=body.version, type_url=CLUSTER, nonce=nonce or body.nonce)
    for each in listed:
        expected.resources.add(type_url=CLUSTER, value=each.body)
    assert parsed == expected


@given(resources, st.lists(names, max_size=5), names)
def test_a_delta_body_is_a_delta_discovery_response(listed: list[Resource], removed: list[str], nonce: str) -> None:
    """A response with a nonce appended parses as the DeltaDiscoveryResponse with these resources and removals."""
    body = ResponseCache().delta(CLUSTER, listed, removed)
    parsed = discovery_pb2.DeltaDiscoveryResponse.FromString(body.data + wire.nonce(nonce))
    expected = discovery_pb2.DeltaDiscoveryResponse(
        system_version_info=body.version, type_url=CLUSTER, nonce=nonce or body.nonce, removed_resources=removed
    )
    for each in listed:
        added = expected.resources.add(name=each.name, version=each.version)
        added.resource.type_url, added.resource.value = CLUSTER, each.body
    assert parsed == expected


def test_a_response_is_assembled_once_for_the_same_resources() -> None:
    """Equal resources, even other objects, have the same response; others do not."""
    cache = ResponseCache()
    first, same, other = (Resource.of(CLUSTER, "a", body) for body in (b"1", b"1", b"2"))
    assert cache.delta(CLUSTER, [first], []) is cache.delta(CLUSTER, [same], [])
    assert cache.made == 1
    different = [
        cache.delta(CLUSTER, [other], []),
        cache.delta(CLUSTER, [first], ["b"]),
        cache.sotw(CLUSTER, [first]),
    ]
    assert len({each.data for each in different}) == 3
    assert cache.made == 4


def test_cached_responses_are_bounded() -> None:
    """Above the limit, the least recently used responses are dropped, with their versions."""
    cache = ResponseCache(limit=1000)
    made = [cache.sotw(ENDPOINT, [Resource.of(ENDPOINT, str(n), bytes(200))]) for n in range(10)]
    recalled = [cache.recall(ENDPOINT, each.version) for each in made]
    kept_bytes = sum(each.size for each, known in zip(made, recalled, strict=True) if known)
    assert 500 < kept_bytes <= 1000, "what is in them counts, too"
    assert recalled[0] is None
    still_used = cache.recall(ENDPOINT, made[-1].version)
    assert still_used is not None
    assert [each.name for each in still_used] == ["9"]
    assert cache.sotw(ENDPOINT, [Resource.of(ENDPOINT, "9", bytes(200))]) is made[-1]
    assert len(cache.sotw(ENDPOINT, [Resource.of(ENDPOINT, "big", bytes(2000))]).data) > 2000


def test_versions_depend_on_names() -> None:
    """The version of a set depends on the names, and not on the server."""
    a, b = Resource.of(CLUSTER, "a", b"same"), Resource.of(CLUSTER, "b", b"same")
    assert version_of([a]) != version_of([b])
    assert version_of([a], ["b"]) != version_of([a]) != version_of([])
    assert version_of([a, b]) == version_of([Resource.of(CLUSTER, "a", b"same"), b])
