"""Model clients of both variants that behave like Envoy, for tests without I/O.

They subscribe to all listeners and clusters, then to the routes and assignments that those refer to, reject bad
resources, and check every response.
"""

from collections import deque

from google.protobuf import descriptor_pool, message_factory

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol.session import Request, Session
from xds.resources import references
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TYPES

ROOTS = {CLUSTER: ENDPOINT, LISTENER: ROUTE}
"""The types subscribed to by wildcard, with the type of their references."""
BAD_TIMEOUT = 13
"""The connect timeout, in seconds, of clusters that the client rejects."""


class ClientCopy:
    """A client's copy of a resource."""

    def __init__(self, type_url: str, body: bytes, version: str = "") -> None:
        kind = descriptor_pool.Default().FindMessageTypeByName(type_url.partition("/")[2])
        self.message = message_factory.GetMessageClass(kind).FromString(body)
        self.body = body
        self.version = version
        self.name: str = getattr(self.message, TYPES[type_url].name_field)
        self.needs = references.of(self.message)
        self.bad = isinstance(self.message, Cluster) and self.message.connect_timeout.seconds == BAD_TIMEOUT


class Peer:
    """A client, of either variant. Requests wait in `outbox` until `flush`, responses in `inbox` until `take`."""

    def __init__(self, *, all_or_nothing: bool = False, says_why: bool = True) -> None:
        self.held: dict[str, dict[str, ClientCopy]] = {url: {} for pair in ROOTS.items() for url in pair}
        self.wanted: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.inbox: deque[bytes] = deque()
        self.outbox: deque[Request] = deque()
        self.nacked: set[tuple[str, str]] = set()
        self.requested: set[tuple[str, str]] = set()
        self.messages = 0
        self._all_or_nothing = all_or_nothing
        self._says_why = says_why
        self.session: Session

    def connect(self, session: Session) -> None:
        """Start a stream; messages of the stream before are lost."""
        self.session = session
        self.inbox.clear()
        self.outbox.clear()
        self.nacked.clear()
        self.requested.clear()
        for url in ROOTS:
            self.begin(url, set())
        for url, names in self.wanted.items():
            if names:
                self.begin(url, names)

    def flush(self, count: int = 1000) -> None:
        """Let the session receive waiting requests."""
        while self.outbox and count:
            self.session.receive(self.outbox.popleft())
            count -= 1

    def fetch(self) -> bool:
        """Let the session send a response; return whether it did."""
        response = self.session.next()
        if response is not None:
            self.inbox.append(response.data)
        return response is not None

    def run(self) -> None:
        """Exchange messages until there are no more."""
        for _ in range(1000):
            self.flush()
            while self.inbox:
                self.take()
            if not self.fetch() and not self.outbox:
                return
        raise AssertionError("the session never becomes quiet")

    def dangling(self) -> list[tuple[str, str]]:
        """Return the references of the client's routes to missing resources."""
        needs = {need for route in self.held[ROUTE].values() for need in route.needs}
        return sorted(need for need in needs if need[1] not in self.held[need[0]])

    def begin(self, url: str, names: set[str]) -> None:
        """Send the first request of a stream for a type."""
        raise NotImplementedError

    def take(self) -> None:
        """Apply the oldest response, and answer it."""
        raise NotImplementedError

    def want(self, url: str, names: set[str]) -> None:
        """Change the subscription to a type."""
        raise NotImplementedError

    def judge(self, url: str, sent: list[ClientCopy]) -> tuple[list[ClientCopy], str]:
        """Return the accepted resources, and the error text if any is rejected."""
        names = [each.name for each in sent]
        assert len(names) == len(set(names)), "a response holds the same name twice"
        bad = [each.name for each in sent if each.bad]
        if not bad:
            return sent, ""
        self.nacked.update((url, name) for name in names)
        good = [] if self._all_or_nothing else [each for each in sent if not each.bad]
        return good, f"cannot take {', '.join(bad)}: bad timeout" if self._says_why else "no"

    def follow(self, url: str) -> None:
        """Subscribe to the resources that listeners or clusters refer to, and unsubscribe from all others."""
        child = ROOTS.get(url)
        if child is None:
            return
        names = {need[1] for each in self.held[url].values() for need in each.needs if need[0] == child}
        if names != self.wanted[child]:
            self.requested.update((child, name) for name in names - self.wanted[child])
            for gone in self.wanted[child] - names:
                self.held[child].pop(gone, None)
            self.want(child, names)
            self.wanted[child] = names


class DeltaPeer(Peer):
    """A client of the incremental variant."""

    def begin(self, url: str, names: set[str]) -> None:
        """Send the versions that the client has from an earlier stream ("initial_resource_versions")."""
        had = {name: each.version for name, each in self.held[url].items()}
        self.requested.update((url, name) for name in names - had.keys())
        self.outbox.append(
            discovery_pb2.DeltaDiscoveryRequest(
                type_url=url, resource_names_subscribe=sorted(names), initial_resource_versions=had
            )
        )

    def want(self, url: str, names: set[str]) -> None:
        """Subscribe and unsubscribe by name."""
        before = self.wanted[url]
        self.outbox.append(
            discovery_pb2.DeltaDiscoveryRequest(
                type_url=url,
                resource_names_subscribe=sorted(names - before),
                resource_names_unsubscribe=sorted(before - names),
            )
        )

    def take(self) -> None:
        """Check that no resource is sent that the client has, and apply the response."""
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(self.inbox.popleft())
        self.messages += 1
        url = response.type_url
        sent = [ClientCopy(url, each.resource.value, each.version) for each in response.resources]
        assert [each.name for each in sent] == [each.name for each in response.resources]
        for each in sent:
            known = self.held[url].get(each.name)
            again = {(url, each.name)} & (self.requested | self.nacked) or url == ENDPOINT
            assert known is None or known.version != each.version or again, f"{each.name} is sent again unchanged"
        taken, error = self.judge(url, sent)
        here = url in ROOTS or self.wanted[url]
        self.held[url].update({each.name: each for each in taken if here is True or each.name in here})
        for name in response.removed_resources:
            self.held[url].pop(name, None)
        answer = discovery_pb2.DeltaDiscoveryRequest(type_url=url, response_nonce=response.nonce)
        answer.error_detail.message = error
        if not error:
            answer.ClearField("error_detail")
        self.outbox.append(answer)
        self.follow(url)


class SotwPeer(Peer):
    """A client of the state-of-the-world variant."""

    def __init__(self, *, all_or_nothing: bool = False, says_why: bool = True) -> None:
        super().__init__(all_or_nothing=all_or_nothing, says_why=says_why)
        self._versions: dict[str, str] = {}
        self._nonces: dict[str, str] = {}
        self._last: dict[str, dict[str, bytes]] = {}

    def begin(self, url: str, names: set[str]) -> None:
        """Send the last accepted version."""
        self._nonces.pop(url, None)
        self._last.pop(url, None)
        self._request(url, names)

    def want(self, url: str, names: set[str]) -> None:
        """Send all names again."""
        self._request(url, names)

    def _request(self, url: str, names: set[str], error: str = "") -> None:
        request = discovery_pb2.DiscoveryRequest(
            type_url=url,
            resource_names=sorted(names),
            version_info=self._versions.get(url, ""),
            response_nonce=self._nonces.get(url, ""),
        )
        if error:
            request.error_detail.message = error
        self.outbox.append(request)

    def take(self) -> None:
        """Check that the response changes something, and apply it; listeners and clusters that it omits are deleted."""
        response = discovery_pb2.DiscoveryResponse.FromString(self.inbox.popleft())
        self.messages += 1
        url = response.type_url
        sent = [ClientCopy(url, each.value) for each in response.resources]
        cache = {each.name: each.body for each in sent}
        again = url not in ROOTS or any(nacked[0] == url for nacked in self.nacked)
        assert again or self._last.get(url) != cache, "a response repeats the one before"
        self._last[url] = cache
        taken, error = self.judge(url, sent)
        self._nonces[url] = response.nonce
        if not error:
            self._versions[url] = response.version_info
        if url in ROOTS:
            for name in self.held[url].keys() - cache.keys():
                del self.held[url][name]
        here = url in ROOTS or self.wanted[url]
        self.held[url].update({each.name: each for each in taken if here is True or each.name in here})
        self._request(url, self.wanted.get(url, set()), error)
        self.follow(url)
