"""A client of a session without I/O, message by message, for tests of single rules."""

from collections.abc import Sequence

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol.ordering import Timeouts
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import Ack, Session
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, VIRTUAL_HOST

TIMEOUTS = Timeouts(ack_deadline=5.0, removal_delay=1.0)


class Talk:
    """One stream, with `now` as its clock. Names of resources are in the order in which they were sent."""

    def __init__(
        self,
        *resources: Resource,
        delta: bool,
        type_url: str | None = None,
        max_names: int = 100,
        cache: ResponseCache | None = None,
    ) -> None:
        self.now = 0.0
        self.session = Session(
            delta=delta,
            clock=lambda: self.now,
            type_url=type_url,
            cache=cache,
            timeouts=TIMEOUTS,
            max_names=max_names,
        )
        self.nonces: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.publish(*resources)

    def publish(self, *resources: Resource) -> None:
        """Publish a snapshot of these resources."""
        self.session.update(Snapshot.of(resources))

    def request(
        self,
        url: str,
        *names: str,
        drop: Sequence[str] = (),
        had: dict[str, str] | None = None,
        nonce: str = "",
        error: str = "",
        version: str = "",
    ) -> Ack | None:
        """Send a request of the session's variant."""
        request: discovery_pb2.DeltaDiscoveryRequest | discovery_pb2.DiscoveryRequest
        if self.session.delta:
            request = discovery_pb2.DeltaDiscoveryRequest(
                type_url=url,
                resource_names_subscribe=names,
                resource_names_unsubscribe=drop,
                initial_resource_versions=had or {},
                response_nonce=nonce,
            )
        else:
            request = discovery_pb2.DiscoveryRequest(
                type_url=url, resource_names=names, response_nonce=nonce, version_info=version
            )
        if error:
            request.error_detail.message = error
        return self.session.receive(request)

    def response(self, url: str = "") -> tuple[list[str], list[str]] | None:
        """Return the names of the next response's resources, and of those removed; None if there is no response."""
        response = self.session.next()
        if response is None:
            return None
        assert url in ("", response.type_url), f"{response.type_url} was sent"
        self.nonces[response.type_url] = response.nonce
        if self.session.delta:
            delta = discovery_pb2.DeltaDiscoveryResponse.FromString(response.data)
            assert delta.nonce == response.nonce
            return [each.name for each in delta.resources], list(delta.removed_resources)
        sotw = discovery_pb2.DiscoveryResponse.FromString(response.data)
        assert sotw.nonce == response.nonce
        assert len(sotw.resources) == response.resources
        self.versions[response.type_url] = sotw.version_info
        return list(response.changed), list(response.removed)

    def accept(self, url: str, *names: str) -> Ack | None:
        """Send the ACK of the last response of a type; in SotW with all names."""
        return self.request(url, *names, nonce=self.nonces[url], version=self.versions.get(url, ""))

    def reject(self, url: str, *names: str, error: str = "no") -> Ack | None:
        """Send a NACK of the last response of a type."""
        return self.request(url, *names, nonce=self.nonces[url], error=error)

    def settle(self, *urls: str) -> None:
        """Accept all resources, as a client that subscribes to these types by wildcard."""
        for url in urls:
            self.request(url)
        while (response := self.session.next()) is not None:
            self.nonces[response.type_url] = response.nonce
            self.accept(response.type_url)


def settled(*resources: Resource, delta: bool) -> Talk:
    """Return a client that has accepted a snapshot like Envoy: roots by wildcard, all others by name."""
    talk = Talk(*resources, delta=delta)
    there = {each.type_url for each in resources}
    whole = (CLUSTER, LISTENER, *(url for url in (SCOPED_ROUTE, VIRTUAL_HOST) if url in there))
    named = [url for url in (ENDPOINT, ROUTE, SECRET, EXTENSION_CONFIG) if url in there]
    names = {url: [each.name for each in resources if each.type_url == url] for url in named}
    for url in whole:
        talk.request(url)
    for url, wanted in names.items():
        talk.request(url, *wanted)
    while talk.response() is not None:
        for url in talk.nonces:
            talk.accept(url, *(() if delta else names.get(url, ())))
    return talk
