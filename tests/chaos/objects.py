"""Kubernetes objects for Headgate's translator, and random changes to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.stage import VARIANTS
from tests.chaos.world import Backend, Change, World
from tests.live.objects import ROUTES, Manifest, endpoints, prefix, rule, service
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator

NAMES = [f"s{number}" for number in range(4)]
PATHS = [f"/p{number}" for number in range(6)]
SECTIONS = ("a", "b")


@dataclass
class Rule:
    """A rule of a route: its path, its backends, and whether it has a filter and a timeout."""

    path: str
    backends: list[str]
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass
class Objects(World):
    """A Gateway for each Envoy with two listeners, a route for each listener, and Services.

    Attributes:
        endpoints: the server of each Service.
        rules: the rules of each listener's route.
        swapped: whether the ports of the listeners are swapped.
        others: the number of routes of other hostnames.
    """

    endpoints: dict[str, Backend] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    swapped: bool = False
    others: int = 0
    _translator: Translator = field(default_factory=lambda: Translator(Settings()))
    _applied: dict[Ref, Edit] = field(default_factory=dict)

    async def begin(self) -> None:
        """Publish the first configuration, and wait until it is served."""
        for name in NAMES:
            self.endpoints[name] = await self.begin_backend(name)
        self.rules = {each: [Rule(path, [self.rng.choice(NAMES)]) for path in PATHS] for each in SECTIONS}
        self.publish()
        await self.stage.settle()

    def publish(self) -> None:
        """Set the backends that may respond, apply the changes to the translator, and publish its snapshots."""
        self.stage.expect(self._services, {name: each.instance for name, each in self.endpoints.items()})
        edits = {each.ref: each for each in map(_edit, self._manifests())}
        gone = [Edit(ref, None) for ref in self._applied.keys() - edits.keys()]
        self._translator.edit([*(edit for ref, edit in edits.items() if self._applied.get(ref) != edit), *gone])
        self._applied = edits
        self._evaluate()

    def _services(self, place: int, path: str) -> list[str]:
        [found] = [each for each in self.rules[SECTIONS[place ^ self.swapped]] if each.path == path]
        return found.backends

    def _evaluate(self) -> None:
        changes = self._translator.evaluate()
        assert not changes.failures, changes.failures
        self.stage.publish({ref.name: found for ref, found in changes.snapshots.items() if found is not None})

    def _manifests(self) -> list[Manifest]:
        found = [_gateway(each, self.stage.ports[each], self.swapped) for each in VARIANTS]
        for section, rules in self.rules.items():
            manifests = [rule(*each.backends, matches=[prefix(each.path)], **each.extras) for each in rules]
            found.append(_route(f"route-{section}", manifests, section))
        found += [_route(f"other-{number}", [rule("s0")], "a", f"h{number}.org") for number in range(self.others)]
        for name, each in self.endpoints.items():
            found += [service(name), *endpoints(name, [each.port])]
        return found

    def kinds(self) -> Sequence[Change]:
        """Return the possible changes."""
        return self.move, self.split, self.reorder, self.adorn, self.crowd, self.replace, self.swap, self.forget

    def _rule(self) -> Rule:
        return self.rng.choice(self.rules[self.rng.choice(SECTIONS)])

    def move(self) -> None:
        """Move a rule to another Service."""
        self._rule().backends = [self.rng.choice(NAMES)]

    def split(self) -> None:
        """Split a rule's requests between two Services."""
        self._rule().backends = self.rng.sample(NAMES, 2)

    def reorder(self) -> None:
        """Reorder the rules of a route."""
        self.rng.shuffle(self.rules[self.rng.choice(SECTIONS)])

    def adorn(self) -> None:
        """Add a filter and a timeout to a rule, or remove them."""
        found = self._rule()
        header = {"name": "x-chaos", "value": str(self.count)}
        adds = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}
        found.extras = {} if found.extras else {"filters": [adds], "timeouts": {"request": "20s"}}

    def crowd(self) -> None:
        """Create or delete routes of other hostnames."""
        self.others = self.rng.randrange(4)

    async def replace(self) -> Backend:
        """Replace the endpoint of a Service: the new one starts before the old one stops."""
        name = self.rng.choice(NAMES)
        gone, self.endpoints[name] = self.endpoints[name], await self.begin_backend(name)
        return gone

    def swap(self) -> None:
        """Swap the ports of the listeners."""
        self.swapped = not self.swapped

    def forget(self) -> None:
        """Restart Headgate: replace the translator by a new one with the same objects."""
        self._translator = Translator(Settings())
        self._applied = {}


def _gateway(name: str, ports: tuple[int, int], swapped: bool) -> Manifest:
    listed = zip(SECTIONS, reversed(ports) if swapped else ports, strict=True)
    listeners = [{"name": section, "port": port, "protocol": "HTTP"} for section, port in listed]
    spec = {"gatewayClassName": "headgate", "listeners": listeners}
    return {"apiVersion": ROUTES, "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def _route(name: str, rules: list[Manifest], section: str, hostname: str = "") -> Manifest:
    parents = [{"name": each, "sectionName": section} for each in VARIANTS]
    spec = {"parentRefs": parents, "hostnames": [hostname] if hostname else [], "rules": rules}
    return {"apiVersion": ROUTES, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def _edit(manifest: Manifest) -> Edit:
    parsed = KINDS.parse(manifest)
    assert parsed.object is not None, parsed.problems
    return Edit(parsed.object.ref, parsed.object)
