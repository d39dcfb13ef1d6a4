"""Problems of relations between valid objects that no condition can report. Pure, incremental.

Headgate writes statuses of its own objects only. An EndpointSlice has none, and neither has a route or Gateway of
another controller: a typing error that makes an object one of these would not be reported anywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from translator.api_group import CONTROLLER_NAME
from translator.delegation.references import Children, delegation, is_route
from translator.delegation.relations import meaning
from translator.gateway.listener_sets import parent_of
from translator.inputs import Edit
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.references import ParentReference, backend_references
from translator.objects.gateway_api.route import Route
from translator.objects.kubernetes.endpointslice import SERVICE_LABEL, EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS, REGISTRY

_DELEGATES, _CHILDREN = "delegates", "children"
"""Kinds of what stands for children that are meant in some way: by rules, and by these children."""

MOST_NAMES = 200
"""Most names of one kind and namespace, and of similar length, that are compared to suggest one."""


Message = str | tuple[str, Ref]
"""A message, with the missing object if there is one."""


class RelationProblem(NamedTuple):
    """A problem of an object.

    Attributes:
        ref: the object.
        message: the problem.
        missing: the missing object that it refers to, or would have to (then without a name).
    """

    ref: Ref
    message: str
    missing: Ref | None = None


class Findings(NamedTuple):
    """The result of a change: the problems that appeared, and those that were resolved."""

    appeared: tuple[RelationProblem, ...] = ()
    resolved: tuple[RelationProblem, ...] = ()


class Relations:
    """The references between the objects of a folder.

    Args:
        standalone: whether no controller writes EndpointSlices, so that a Service without any is a problem. Otherwise
            it is reported only if its namespace has EndpointSlices.
    """

    def __init__(self, standalone: bool = True) -> None:
        self._standalone = standalone
        self._objects: dict[Ref, KubernetesObject] = {}
        self._names: dict[tuple[str, str], dict[str, None]] = {}
        self._targets: dict[Ref, frozenset[Ref]] = {}
        self._sources: dict[Ref, dict[Ref, None]] = {}
        self._findings: dict[Ref, tuple[RelationProblem, ...]] = {}

    @property
    def findings(self) -> list[RelationProblem]:
        """All current problems."""
        return [each for ref in sorted(self._findings) for each in self._findings[ref]]

    def explain(self, finding: RelationProblem) -> str:
        """Return the message with a suggestion, which depends on the current objects."""
        return f"{finding.message}; {self._meant(finding.missing)}" if finding.missing else finding.message

    def update(self, edits: Iterable[Edit]) -> Findings:
        """Apply edits; the cost depends on the changed objects and those that refer to them."""
        affected: dict[Ref, None] = {}
        for ref, found in edits:
            if ref.kind not in _CHECKS:
                continue
            before = self._targets.get(ref, frozenset())
            self._put(ref, found if isinstance(found, KubernetesObject) else None)
            for each in (ref, *before, *self._targets.get(ref, ())):
                affected[each] = None
            for each in before ^ self._targets.get(ref, frozenset()):
                if each.kind == _DELEGATES:
                    affected.update(self._sources.get(each._replace(kind=_CHILDREN), {}))
            for source in self._sources.get(ref, ()):
                affected[source] = None
                affected.update(self._sources.get(source, {}))
        appeared, resolved = list[RelationProblem](), list[RelationProblem]()
        for ref in sorted(affected):
            old, new = self._findings.pop(ref, ()), self._check(ref)
            if new:
                self._findings[ref] = new
            appeared += (each for each in new if each not in old)
            resolved += (each for each in old if each not in new)
        return Findings(tuple(appeared), tuple(resolved))

    def _put(self, ref: Ref, found: KubernetesObject | None) -> None:
        for target in self._targets.pop(ref, ()):
            del self._sources[target][ref]
            if not self._sources[target]:
                del self._sources[target]
        names = self._names.setdefault((ref.kind, ref.namespace), {})
        if found is None:
            self._objects.pop(ref, None)
            names.pop(ref.name, None)
            return
        self._objects[ref] = found
        names[ref.name] = None
        self._targets[ref] = frozenset(_targets(found))
        for target in self._targets[ref]:
            self._sources.setdefault(target, {})[ref] = None

    def _check(self, ref: Ref) -> tuple[RelationProblem, ...]:
        found = self._objects.get(ref)
        if found is None:
            return ()
        problems = (each if isinstance(each, tuple) else (each, None) for each in _CHECKS[ref.kind](self, found))
        return tuple(RelationProblem(ref, message, missing) for message, missing in problems)

    def _of_slice(self, found: EndpointSlice) -> Iterator[Message]:
        if not found.service_name:
            yield f"has no label {SERVICE_LABEL}, so that its endpoints belong to no Service; name one there"
        elif (service := _service(found)) not in self._objects:
            yield f"its label {SERVICE_LABEL} names {service}, which is not there", service
        else:
            yield from self._of_ports(found, service)

    def _of_ports(self, found: EndpointSlice, service: Ref) -> Iterator[Message]:
        """Yield the ports of a slice whose names match no port of the Service, so that they get no requests."""
        named = self._objects[service]
        names = {each.name for each in named.spec.ports} if isinstance(named, Service) else set()
        if not names:
            return  # the status of a route to the Service reports it
        if not found.ports:
            yield f"has no ports, so that nothing is sent to its endpoints; write those at which they serve {service}"
        way_out = f"write one of: {', '.join(sorted(names))}" if any(names) else "leave it out, as the Service does"
        for place, port in enumerate(found.ports):
            if port.name not in names:
                name = f"is named {port.name}" if port.name else "has no name"
                yield f"ports[{place}] {name}, and {service} has no such port, so that nothing is sent there; {way_out}"

    def _of_service(self, found: Service) -> Iterator[Message]:
        sources = self._sources.get(found.ref, {})
        spec = found.spec
        if spec.type == "ExternalName" or (spec.cluster_ip and not spec.headless):
            return
        used = any(isinstance(self._objects[each], Route) for each in sources)
        served = any(each.kind == EndpointSlice.kind for each in sources)
        others = self._names.get((EndpointSlice.kind, found.ref.namespace))
        if used and not served and (self._standalone or others):
            label = f"{SERVICE_LABEL}: {found.ref.name}"
            yield f"has no EndpointSlice, so that requests to it get 503; write one with the label {label}"

    def _of_route(self, found: Route) -> Iterator[Message]:
        if not found.spec.parent_refs and found.spec.use_default_gateways != "All" and not self._is_child(found):
            yield "spec.parentRefs is empty, so that it is served nowhere", Ref(Gateway.kind, found.ref.namespace, "")
        for place, reference in enumerate(found.spec.parent_refs):
            field = f"spec.parentRefs[{place}]"
            if reference.group != Gateway.group or reference.kind not in (Gateway.kind, ListenerSet.kind):
                yield from self._of_other_parent(found, field, reference)
                continue
            parent = self._objects.get(target := _parent(found, reference))
            if parent is None:
                continue  # the route's status reports it
            if isinstance(parent, Gateway) and (other := self._controller(parent)):
                yield f"{field}: {target} is not Headgate's, but of {other}, so that the route is not served there"

    def _is_child(self, found: Route) -> bool:
        """Whether some rule delegates to a route."""
        return isinstance(found, HTTPRoute) and any(_key(_DELEGATES, each) in self._sources for each in meaning(found))

    def _of_other_parent(self, found: Route, field: str, reference: ParentReference) -> Iterator[Message]:
        if found.kind == HTTPRoute.kind and is_route(reference):
            return  # the route's status says whether that one delegates to it
        if (reference.group, reference.kind) != (Service.group, Service.kind):
            yield f"{field}: Headgate does not serve a {reference.kind}; name a Gateway or a ListenerSet"
        elif not REGISTRY.route(found.kind).proxyless:
            yield f"{field}: Headgate serves no {found.kind} of a Service; name a Gateway"

    def _of_gateway(self, found: Gateway) -> Iterator[Message]:
        if other := self._controller(found):
            field = "spec.gatewayClassName"
            yield f"{field}: GatewayClass {found.spec.gateway_class_name} is of {other}, so that it is not served"

    def _of_set(self, found: ListenerSet) -> Iterator[Message]:
        gateway = parent_of(found)
        parent = self._objects.get(gateway) if gateway is not None else None
        if isinstance(parent, Gateway) and (other := self._controller(parent)):
            yield f"spec.parentRef: {gateway} is not Headgate's, but of {other}, so that it is not served"

    def _controller(self, gateway: Gateway) -> str | None:
        """Return the other controller that manages a Gateway; None for ours."""
        found = self._objects.get(_class(gateway))
        if isinstance(found, GatewayClass) and found.spec.controller_name != CONTROLLER_NAME:
            return f"the controller {found.spec.controller_name}"
        return None

    def _of_class(self, _: GatewayClass) -> Iterator[Message]:
        yield from ()

    def _meant(self, missing: Ref) -> str:
        """Return a suggestion of the intended name."""
        names = self._names.get((missing.kind, missing.namespace), {})
        if not missing.name:
            known = ", ".join(sorted(islice(names, MOST_NAMES))[:5])
            return f"name a {missing.kind}" + (f"; there are: {known}" if known else "")
        alike = islice((each for each in names if abs(len(each) - len(missing.name)) <= 2), MOST_NAMES)
        close = get_close_matches(missing.name, alike, n=1)
        return f"did you mean {close[0]}?" if close else "write it, or correct the name"


_CHECKS: Mapping[str, Callable[..., Iterator[Message]]] = {
    EndpointSlice.kind: Relations._of_slice,
    Service.kind: Relations._of_service,
    **{each.kind: Relations._of_route for each in KINDS.subclasses(Route)},
    Gateway.kind: Relations._of_gateway,
    ListenerSet.kind: Relations._of_set,
    GatewayClass.kind: Relations._of_class,
}


def _targets(found: KubernetesObject) -> Iterator[Ref]:
    """Yield the objects that an object refers to, as far as they are checked here."""
    if isinstance(found, EndpointSlice) and found.service_name:
        yield _service(found)
    elif isinstance(found, Gateway):
        yield _class(found)
    elif isinstance(found, ListenerSet) and (gateway := parent_of(found)) is not None:
        yield gateway
    elif isinstance(found, Route):
        yield from (_parent(found, each) for each in found.spec.parent_refs)
        if isinstance(found, HTTPRoute):
            yield from _relatives(found)
        for backend in backend_references(found.spec):
            if (backend.group, backend.kind) == (Service.group, Service.kind):
                yield Ref(Service.kind, backend.namespace or found.ref.namespace, backend.name)


def _relatives(found: HTTPRoute) -> Iterator[Ref]:
    """Yield what stands for the children that rules of a route delegate to, and for those who may be its parents."""
    for rule in found.spec.rules:
        said = delegation(found.ref, rule)
        yield from (_key(_DELEGATES, each.children) for each in (said.references if said is not None else ()))
    if not found.spec.parent_refs:
        yield from (_key(_CHILDREN, each) for each in meaning(found))


def _key(kind: str, found: Children) -> Ref:
    return Ref(kind, found.namespace, f"{found.by}/{found.name}")


def _service(found: EndpointSlice) -> Ref:
    return Ref(Service.kind, found.ref.namespace, found.service_name or "")


def _class(found: Gateway) -> Ref:
    return Ref(GatewayClass.kind, "", found.spec.gateway_class_name)


def _parent(route: Route, reference: ParentReference) -> Ref:
    return Ref(reference.kind, reference.namespace or route.ref.namespace, reference.name)
