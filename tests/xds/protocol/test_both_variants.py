"""A state-of-the-world and an incremental client of the same snapshots end in the same state, whatever happens."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.xds.peers import BAD_TIMEOUT, DeltaPeer, Peer, SotwPeer
from tests.xds.sample_resources import cluster, endpoints, listener, routes
from xds.protocol.nacks import NackHistory
from xds.protocol.ordering import Timeouts
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import Session
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

CLUSTERS = ["a", "b", "ab", "c"]
ROUTES = ["r", "s"]
clusters = st.dictionaries(st.sampled_from(CLUSTERS), st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2])))
choices = st.integers(0, 3)


def consistent(made: dict[str, tuple[int, int]], uses: list[int], bad: set[str]) -> Snapshot:
    """Return a snapshot without dangling references, in which no route uses a bad cluster."""
    resources: list[Resource] = []
    for name, (timeout, port) in made.items():
        resources += [cluster(name, timeout=BAD_TIMEOUT if name in bad else timeout), endpoints(name, port)]
    usable = sorted(made.keys() - bad)
    for index, name in enumerate(ROUTES):
        chosen, count = uses[index], len(usable)
        paths = {f"/{n}": usable[(chosen + n) % count] for n in range(min(chosen, count))} if count else {}
        if uses[index + 2]:
            resources += [routes(name, paths), listener(f"l{name}", 80 + index, name)]
    return Snapshot.of(resources)


class Clients(RuleBasedStateMachine):
    """Edits, late messages, NACKs, reconnections and time, in any order."""

    @initialize(all_or_nothing=st.booleans(), says_why=st.booleans())
    def begin(self, all_or_nothing: bool, says_why: bool) -> None:
        """Connect both clients before there is a snapshot."""
        self.now = 0.0
        self.cache = ResponseCache()
        self.nack_history = NackHistory()
        self.snapshot: Snapshot | None = None
        self.good: tuple[dict[str, tuple[int, int]], list[int]] = ({}, [0, 0, 0, 0])
        kinds = (DeltaPeer, SotwPeer)
        self.peers: list[Peer] = [kind(all_or_nothing=all_or_nothing, says_why=says_why) for kind in kinds]
        for peer in self.peers:
            self._connect(peer)

    def _connect(self, peer: Peer) -> None:
        # No deadline passes: before it, no reference may dangle.
        timeouts = Timeouts(ack_deadline=1e9, removal_delay=1.0)
        delta = isinstance(peer, DeltaPeer)
        session = Session(delta=delta, clock=lambda: self.now, cache=self.cache, timeouts=timeouts)
        session.client_nacks = self.nack_history.of("key", "delta" if delta else "sotw")
        if self.snapshot is not None:
            session.update(self.snapshot)
        peer.connect(session)

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        for peer in self.peers:
            peer.session.update(snapshot)

    @rule(made=clusters, uses=st.lists(choices, min_size=4, max_size=4), bad=st.sets(st.sampled_from(CLUSTERS)))
    def edit(self, made: dict[str, tuple[int, int]], uses: list[int], bad: set[str]) -> None:
        """Publish another snapshot, with some bad clusters."""
        self.good = (made, uses)
        self._publish(consistent(made, uses, bad & made.keys()))

    @rule(made=clusters, uses=st.lists(choices, min_size=4, max_size=4))
    def edit_well(self, made: dict[str, tuple[int, int]], uses: list[int]) -> None:
        """Publish another snapshot without bad clusters."""
        self.good = (made, uses)
        self._publish(consistent(made, uses, set()))

    @rule(which=st.integers(0, 1))
    def send(self, which: int) -> None:
        """Let a session send."""
        self.peers[which].fetch()

    @rule(which=st.integers(0, 1))
    def take(self, which: int) -> None:
        """Let a client process a response."""
        if self.peers[which].inbox:
            self.peers[which].take()

    @rule(which=st.integers(0, 1))
    def receive(self, which: int) -> None:
        """Let a session process a request."""
        self.peers[which].flush(1)

    @rule(which=st.integers(0, 1))
    def reconnect(self, which: int) -> None:
        """End a stream and start another."""
        self._connect(self.peers[which])

    @rule()
    def wait(self) -> None:
        """Let some time pass, less than the removal delay."""
        self.now += 0.4

    @rule()
    def exchange(self) -> None:
        """Deliver all messages."""
        for peer in self.peers:
            peer.run()

    @invariant()
    def nothing_dangles(self) -> None:
        """Check that a client's routes never refer to a cluster that it does not have."""
        for peer in getattr(self, "peers", []):
            assert not peer.dangling()

    @invariant()
    def a_deadline_lies_ahead(self) -> None:
        """Check that the deadline of a session without a response to send is in the future."""
        for peer in getattr(self, "peers", []):
            if not peer.fetch():
                deadline = peer.session.deadline()
                assert deadline is None or deadline > self.now

    def _settle(self) -> None:
        for peer in self.peers:
            peer.run()
        for _ in range(12):
            self.now += 1.0
            for peer in self.peers:
                peer.run()

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def all_good_arrives(self) -> None:
        """Check that all good resources arrive despite bad ones, and that the NACKs are known."""
        self._settle()
        assert self.snapshot is not None
        for peer in self.peers:
            nacked = {name for each in peer.session.nack_groups() for name in each.names}
            for url in (CLUSTER, LISTENER, ROUTE):
                for name, each in self.snapshot.resources(url).items():
                    if name in peer.wanted.get(url, {name}) and name not in nacked:
                        assert peer.held[url][name].body == each.body
            assert peer.session.synced() == (not nacked)

    @rule()
    def all_is_mended(self) -> None:
        """Check that without bad resources, both clients have exactly the resources of the snapshot."""
        self._publish(snapshot := consistent(*self.good, set()))
        self._settle()
        for peer in self.peers:
            assert not peer.session.nack_groups()
            assert peer.session.synced()
            for url, names in ((CLUSTER, None), (LISTENER, None), (ROUTE, ROUTE), (ENDPOINT, ENDPOINT)):
                wanted = snapshot.resources(url)
                expected = {name: each.body for name, each in wanted.items() if not names or name in peer.wanted[names]}
                assert {name: each.body for name, each in peer.held[url].items()} == expected


Clients.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBothVariants = Clients.TestCase
