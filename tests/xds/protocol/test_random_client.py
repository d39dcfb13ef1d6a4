"""Whatever a client with Envoy's semantics does, it ends with all that is good, and only the bad is refused.

Envoy stores a secret before it checks it, stops at the first bad secret or endpoints of a response, and takes the good
clusters of a response that it rejects. It may answer late or twice, change its subscription meanwhile, and come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol.nacks import NackHistory
from xds.protocol.ordering import Timeouts
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import Request, Response, Session
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, SECRET

pytestmark = pytest.mark.slow

NAMES = "abcdef"
MAX_ROUNDS = 300


@dataclass(frozen=True)
class Content:
    """The content of a resource: a number that distinguishes it, and whether the client rejects it."""

    number: int
    bad: bool

    @property
    def text(self) -> str:
        """The text in the resource's bytes."""
        return f"{'BAD' if self.bad else 'GOOD'}-{self.number}."


def packed(url: str, name: str, content: Content) -> Resource:
    """Return a resource with a type and content."""
    if url == SECRET:
        secret = secret_pb2.Secret(name=name)
        secret.tls_certificate.certificate_chain.inline_string = content.text
        return Resource.pack(secret)
    if url == ENDPOINT:
        assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
        assignment.endpoints.add().locality.zone = content.text
        return Resource.pack(assignment)
    return Resource.pack(cluster_pb2.Cluster(name=name, alt_stat_name=content.text))


def name_of(url: str, body: bytes) -> str:
    """Return the name of an encoded resource."""
    if url == SECRET:
        return secret_pb2.Secret.FromString(body).name
    if url == ENDPOINT:
        return endpoint_pb2.ClusterLoadAssignment.FromString(body).cluster_name
    return cluster_pb2.Cluster.FromString(body).name


@dataclass
class Client:
    """Envoy's state of one type: the resources that it uses, has stored, and reports."""

    url: str
    delta: bool
    random: Random
    names: set[str]
    used: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    acked: dict[str, bytes] = field(default_factory=dict)
    nonce: str = ""

    def first(self) -> Request:
        """Return the first request of a stream."""
        self.nonce = ""
        if self.delta:
            had = {name: version for name, version in self.versions.items() if name in NAMES}
            return discovery_pb2.DeltaDiscoveryRequest(
                type_url=self.url, resource_names_subscribe=sorted(self.names), initial_resource_versions=had
            )
        return self._sotw()

    def toggle(self, name: str) -> Request:
        """Subscribe to a name, or unsubscribe from it and drop its state."""
        self.names ^= {name}
        dropped = name not in self.names
        if dropped:
            for each in (self.used, self.stored, self.acked):
                each.pop(name, None)
            if self.delta:
                self.versions.pop(name, None)
        if not self.delta:
            return self._sotw()
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=self.url)
        (request.resource_names_unsubscribe if dropped else request.resource_names_subscribe).append(name)
        return request

    def _sotw(self) -> discovery_pb2.DiscoveryRequest:
        version = self.versions.get("", "")
        return discovery_pb2.DiscoveryRequest(
            type_url=self.url, resource_names=sorted(self.names), response_nonce=self.nonce, version_info=version
        )

    def take(self, response: Response) -> Request:
        """Apply a response, and answer it."""
        self.nonce = response.nonce
        error = self._take_delta(response.data) if self.delta else self._take_sotw(response.data)
        request: Request
        if self.delta:
            request = discovery_pb2.DeltaDiscoveryRequest(type_url=self.url, response_nonce=response.nonce)
        else:
            request = self._sotw()
        if error:
            request.error_detail.message = error
        return request

    def _take_delta(self, data: bytes) -> str:
        message = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        error = self._apply([each.resource.value for each in message.resources])
        if not error:
            wanted = [each for each in message.resources if self._wants(each.name)]
            self.versions.update({each.name: each.version for each in wanted})
            # Without the resources that it applied from a rejected response, which stay in use.
            self.acked.update({each.name: each.resource.value for each in wanted})
        if not error or self.url == CLUSTER:
            for name in message.removed_resources:
                for known in (self.used, self.stored, self.acked, self.versions):
                    known.pop(name, None)
        return error

    def _take_sotw(self, data: bytes) -> str:
        message = discovery_pb2.DiscoveryResponse.FromString(data)
        cache = [each.value for each in message.resources]
        error = self._apply(cache)
        if self.url == CLUSTER:
            there = {name_of(self.url, body) for body in cache}
            self.used = {name: body for name, body in self.used.items() if name in there}
        if not error:
            self.versions[""] = message.version_info
            self.acked = dict(self.used)
        return error

    def _wants(self, name: str) -> bool:
        return self.url == CLUSTER or name in self.names

    def _apply(self, cache: list[bytes]) -> str:
        errors = []
        for body in cache:
            name = name_of(self.url, body)
            if not self._wants(name):
                continue
            if self.url == SECRET:
                if self.stored.get(name) == body:
                    continue
                self.stored[name] = body
            if b"BAD" in body:
                errors.append(f"{name} is bad" if self.random.random() < 0.7 else "something is bad")
                if self.url != CLUSTER:
                    break
                continue
            self.used[name] = body
        return "; ".join(errors)

    @property
    def is_plain(self) -> bool:
        """Return whether it uses exactly the resources that it reports, and has stored no others."""
        return self.used == self.acked and bool(self.used) and (self.url != SECRET or self.stored == self.used)


class World:
    """A client, its successive sessions, and the snapshots that they serve."""

    def __init__(self, url: str, delta: bool, random: Random) -> None:
        self.url, self.delta, self.random = url, delta, random
        self.now, self.count = 0.0, 0
        self.cache, self.nack_history = ResponseCache(), NackHistory()
        self.contents: dict[str, Content | None] = {name: self._content() for name in NAMES}
        self.history = {name: [content] for name, content in self.contents.items()}
        self.client = Client(url, delta, random, set() if url == CLUSTER else set(random.sample(NAMES, 4)))
        self.waiting: list[Response] = []
        self.session = self._connected()

    def _content(self) -> Content:
        self.count += 1
        return Content(self.count, self.random.random() < 0.3)

    def _wanted(self) -> dict[str, Content]:
        wanted = NAMES if self.url == CLUSTER else self.client.names
        return {name: each for name, each in self.contents.items() if each and name in wanted}

    def _snapshot(self) -> Snapshot:
        return Snapshot.of(packed(self.url, name, each) for name, each in self.contents.items() if each)

    def _connected(self) -> Session:
        self.waiting.clear()
        session = Session(delta=self.delta, clock=lambda: self.now, timeouts=Timeouts(5, 1, 2), cache=self.cache)
        session.client_nacks = self.nack_history.of("key", "node")
        session.update(self._snapshot())
        session.receive(self.client.first())
        return session

    def step(self) -> None:
        """Do one random action, then send, and answer some of the responses."""
        dice = self.random.random()
        if dice < 0.3:
            self._publish()
        elif dice < 0.4:
            self.now += self.random.choice([0.1, 1, 6])
        elif dice < 0.5 and self.url != CLUSTER:
            self.session.receive(self.client.toggle(self.random.choice(NAMES)))
        elif dice < 0.55 and self.client.is_plain:
            if self.random.random() < 0.3:
                self.cache, self.nack_history = ResponseCache(), NackHistory()
            self.session = self._connected()
        if self.random.random() < 0.8:
            self._send()
        while self.waiting and self.random.random() < 0.6:
            self._answer()
            self.check_synced()

    def _publish(self) -> None:
        for name in self.random.sample(NAMES, self.random.randint(1, 3)):
            dice = self.random.random()
            if dice < 0.15:
                self.contents[name] = None
            elif dice < 0.35:
                self.contents[name] = self.random.choice(self.history[name])
            else:
                self.contents[name] = self._content()
                self.history[name].append(self.contents[name])
        self.session.update(self._snapshot())

    def _send(self) -> None:
        while (response := self.session.next()) is not None:
            self.waiting.append(response)
            assert len(self.waiting) < MAX_ROUNDS, "responses have no end"

    def _answer(self) -> None:
        request = self.client.take(self.waiting.pop(0))
        self.session.receive(request)
        if self.random.random() < 0.2:
            self.session.receive(request)

    def settle(self) -> None:
        """Send and answer until there are no more messages."""
        for _ in range(MAX_ROUNDS):
            self._send()
            if self.waiting:
                self._answer()
            elif (deadline := self.session.deadline()) is not None:
                self.now = max(self.now, deadline)
            else:
                return
        raise AssertionError("the session never settles")

    def check_synced(self) -> None:
        """Check that the client of a synced session uses all resources of the snapshot."""
        if not self.waiting and self.session.synced():
            assert self.unused() == set()

    def unused(self) -> set[str]:
        """Return the names of the resources that the client should use and does not."""
        wanted = self._wanted()
        return {name for name, each in wanted.items() if each.text.encode() not in self.client.used.get(name, b"")}

    def bad(self) -> set[str]:
        """Return the names of the resources that the client must reject."""
        return {name for name, each in self._wanted().items() if each.bad}


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("url", [SECRET, ENDPOINT, CLUSTER], ids=["secrets", "endpoints", "clusters"])
@given(seed=st.integers(0, 1 << 32), steps=st.integers(3, 60))
@example(seed=57, steps=52)  # A cluster taken from a rejected response, an ACK of others, and a new stream.
def test_a_client_ends_with_all_good_resources(url: str, delta: bool, seed: int, steps: int) -> None:
    """Only bad resources are rejected, all others are used, and a synced client always uses all."""
    world = World(url, delta, Random(seed))
    for _ in range(steps):
        world.step()
    world.settle()
    assert {each.nack.name for each in world.session.nacks()} == world.bad()
    assert world.unused() == world.bad()
    world.check_synced()
