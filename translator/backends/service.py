"""Services as backends: cluster settings and ready endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import NotSyncedError, index, query
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, Protocol
from translator.kinds import BackendKind
from translator.objects.kubernetes.endpointslice import EndpointPort, EndpointSlice
from translator.objects.kubernetes.service import Service, ServicePort
from translator.outcome import Outcome, Problem, not_resolved
from translator.own_addresses import OwnAddress, reached
from translator.policies.backends import with_policies
from translator.refs import Ref

HTTP1_PROTOCOLS = ("http", "http1", "http-alt", "www", "www-http", "ws", "kubernetes.io/ws", "grpc-web", "mcp")
HTTP2_PROTOCOLS = ("kubernetes.io/h2c", "h2c", "http2", "grpc")
TLS_PROTOCOLS = ("https", "kubernetes.io/wss", "wss", "tls")


class Slices(NamedTuple):
    """The EndpointSlices whose label names a Service: those that hold addresses, or those that hold domain names."""

    service: Ref
    named: bool = False


@index(EndpointSlice.kind, partitions=lambda _, ref: (ref.namespace,), partition_of=lambda key: key.service.namespace)
def slices(db: Db, ref: Ref) -> Iterator[tuple[Slices, Ref]]:
    """Index EndpointSlices by the Service that their label names; those with domain names by their namespace too."""
    found = db.get(EndpointSlice, ref)
    if found is not None and found.service_name:
        named = found.address_type == "FQDN"
        yield Slices(Ref(Service.kind, ref.namespace, found.service_name), named), ref
        if named:
            yield _named_in(ref.namespace), ref


def _named_in(namespace: str) -> Slices:
    """Return the key of all EndpointSlices of a namespace that hold domain names."""
    return Slices(Ref(Service.kind, namespace, ""), named=True)


@query(firewall=True)
def may_be_named(db: Db, namespace: str) -> bool:
    """Return whether there may be EndpointSlices with domain names: while there are none, no Service looks for its own.

    While that is not known, they look, and know as little.
    """
    try:
        return db.count(slices, _named_in(namespace)) > 0
    except NotSyncedError:
        return True


@query
def unresolved(db: Db, service: Ref) -> tuple[Problem, ...]:
    """Return the EndpointSlices of a Service whose endpoints get no requests, because nobody resolves their names."""
    text = (
        "has addressType FQDN, which is not supported: its endpoints get no requests; use IPv4, IPv6 or ExternalName."
    )
    named = db.select(slices, Slices(service, named=True))
    return tuple(Problem("ResolvedRefs", "UnsupportedValue", f"{each} {text}") for each in named)


@query(firewall=True)
def service_port(db: Db, service: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that a port of a Service is, or why it can be none, and which of its endpoints get nothing."""
    declared = _declared(db, service, port)
    resolved = _port(db, service, port, declared)
    if resolved.value is not None and declared is not None:
        resolved = _speaking(resolved.value, declared, service)
    resolved = with_policies(db, service, declared.name if declared else "", resolved)
    if resolved.value is not None and declared is not None and (declared.app_protocol or "").lower() in TLS_PROTOCOLS:
        resolved = _encrypted(resolved.value, declared, service)
    return _with_unresolved(db, service, resolved)


@query(firewall=True)
def connection(db: Db, service: Ref, port: int, passthrough: bool) -> Outcome[Backend | None]:
    """Return the backend that a port of a Service is for connections, whatever its `appProtocol` says of their bytes.

    What its policies say of connections holds for these too (GEP-1897, "A Gateway accepts traffic on a TCP listener"),
    but for TLS that is passed through: that is encrypted already.
    """
    declared = _declared(db, service, port)
    resolved = _port(db, service, port, declared)
    if not passthrough:
        resolved = with_policies(db, service, declared.name if declared else "", resolved)
    return _with_unresolved(db, service, resolved)


@query(firewall=True)
def datagrams(db: Db, service: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that a port of a Service is for datagrams of UDP; none if a policy asks for TLS.

    What else policies say of backends is for connections and requests: datagrams are forwarded without it.
    """
    declared = _declared(db, service, port, "UDP")
    resolved = _port(db, service, port, declared, "UDP")
    resolved = with_policies(db, service, declared.name if declared else "", resolved)
    if resolved.value is not None and any(each.encrypts for each in resolved.value.settings):
        text = (
            f"{service} port {port}: it has a policy for connections, such as TLS, which datagrams cannot have; let "
            f"the policy name the ports that it is for, by sectionName."
        )
        resolved = Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "UnsupportedProtocol", text)))
    elif resolved.value is not None:
        resolved = Outcome(replace(resolved.value, settings=()), resolved.problems)
    return _with_unresolved(db, service, resolved)


def _with_unresolved(db: Db, service: Ref, resolved: Outcome[Backend | None]) -> Outcome[Backend | None]:
    problems = unresolved(db, service) if may_be_named(db, service.namespace) else ()
    return Outcome(resolved.value, (*resolved.problems, *problems)) if problems else resolved


def declared_port(service: Service, port: int, protocol: str = "TCP") -> ServicePort | None:
    """Return what a Service says of a port of TCP, or of UDP; None if it does not have it."""
    return next((each for each in service.spec.ports if (each.port, each.protocol) == (port, protocol)), None)


def _declared(db: Db, service: Ref, port: int, protocol: str = "TCP") -> ServicePort | None:
    """Return the same for a Service that need not exist."""
    found = db.get(Service, service)
    return None if found is None else declared_port(found, port, protocol)


def _encrypted(found: Backend, port: ServicePort, service: Ref) -> Outcome[Backend | None]:
    """Return a backend whose appProtocol asks for TLS, unless nothing says how to validate its certificate."""
    if any(each.encrypts for each in found.settings):
        return Outcome(found)
    text = (
        f"{service} port {found.port}: appProtocol {port.app_protocol} asks for TLS, and no BackendTLSPolicy says how "
        f"to validate its certificate; add one that targets {service}, or remove the appProtocol."
    )
    return not_resolved("UnsupportedProtocol", text)


def _port(
    db: Db, service: Ref, port: int, declared: ServicePort | None, protocol: str = "TCP"
) -> Outcome[Backend | None]:
    found = db.get(Service, service)
    if found is None:
        return not_resolved("BackendNotFound", f"{service} does not exist; create it or correct the reference.")
    spec = found.spec
    made = Backend(BackendKey(*service), port, Protocol.UDP.value if protocol == "UDP" else "")
    if spec.type == "ExternalName":
        return _external(db, made, spec.external_name.rstrip("."), service)
    if declared is None:
        has = ", ".join(f"{each.port}/{each.protocol}" for each in spec.ports) or "none"
        return not_resolved("BackendNotFound", f"{service} has no {protocol} port {port}; its ports: {has}.")
    # Without a cluster nobody makes EndpointSlices for a Service: its address, if it gives one, is where it is.
    address = spec.cluster_ip if db.settings.standalone and not spec.headless else ""
    if address and not any(db.count(slices, Slices(service, named)) for named in (False, True)):
        return _named(db, replace(made, hostname=address), service)
    if _own_addresses(db, made) and db.settings.standalone:  # a cluster's EndpointSlices cannot name this machine
        for ref in db.select(slices, Slices(service)):
            if own := own_endpoint(db, ref, declared.name):
                return _own(f"{ref} has an endpoint at {own.host}", own.address)
    return Outcome(made)


def _external(db: Db, found: Backend, name: str, service: Ref) -> Outcome[Backend | None]:
    text = ""
    if not db.settings.external_names:
        text = f"{service} is of type ExternalName, which Headgate serves only when started with --external-names."
    elif _transport(found) == "UDP":
        text = f"{service} is of type ExternalName, which is not supported for UDP; use EndpointSlices."
    return not_resolved("UnsupportedValue", text) if text else _named(db, replace(found, hostname=name), service)


def _named(db: Db, found: Backend, service: Ref) -> Outcome[Backend | None]:
    """Return a backend that Envoy finds by itself, unless it could be Headgate."""
    own = reached(_own_addresses(db, found), found.hostname, found.port)
    if own is None:
        return Outcome(found)
    return _own(f"{service} leads to {found.hostname}", own)


def _own_addresses(db: Db, found: Backend) -> tuple[OwnAddress, ...]:
    """Return Headgate's addresses that a backend could reach: those are of TCP."""
    return db.settings.own if _transport(found) == "TCP" else ()


def _transport(found: Backend) -> str:
    """Return the protocol that a backend's port has in its Service."""
    return "UDP" if found.protocol == Protocol.UDP.value else "TCP"


def _own(leads: str, own: OwnAddress) -> Outcome[Backend | None]:
    text = f"{leads}, port {own.port}: {own.use} is or may be there, where no route may lead; use another port."
    return not_resolved("UnsupportedValue", text)


class OwnEndpoint(NamedTuple):
    """An endpoint that is Headgate itself: the host as it is written, and what is there."""

    host: str
    address: OwnAddress


@query
def own_endpoint(db: Db, ref: Ref, port_name: str) -> OwnEndpoint | None:
    """Return the first endpoint of an EndpointSlice, at the Service's port of that name, that is Headgate itself."""
    for each in slice_endpoints(db, ref, port_name, "TCP"):
        if own := reached(db.settings.own, each.address, each.port):
            return OwnEndpoint(each.address, own)
    return None


def _speaking(found: Backend, port: ServicePort, service: Ref) -> Outcome[Backend | None]:
    name = port.app_protocol or ""
    if not name:
        return Outcome(found)
    if name.lower() in TLS_PROTOCOLS:
        return Outcome(replace(found, protocol=Protocol.HTTP1.value) if "wss" in name.lower() else found)
    if name.lower() not in (*HTTP1_PROTOCOLS, *HTTP2_PROTOCOLS):
        known = (
            "http, kubernetes.io/h2c, kubernetes.io/ws, grpc, and with a BackendTLSPolicy https and kubernetes.io/wss"
        )
        text = f"{service} port {found.port}: a route of HTTP cannot speak appProtocol {name}, but {known}."
        return not_resolved("UnsupportedProtocol", text)
    speaks = Protocol.H2C if name.lower() in HTTP2_PROTOCOLS else Protocol.HTTP1
    return Outcome(replace(found, protocol=speaks.value))


@query
def endpoints(db: Db, found: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the endpoints that take a backend's requests, in order.

    Those that are ready; if none is, those that still serve while they terminate, as kube-proxy does.
    """
    service = Ref(*found.key)
    protocol = _transport(found)
    port = _declared(db, service, found.port, protocol)
    if port is None:
        return ()
    refs = db.select(slices, Slices(service))
    every = {each for ref in refs for each in slice_endpoints(db, ref, port.name, protocol)}
    ready = [each for each in every if not each.draining]
    return tuple(sorted(ready or every))


@query(firewall=True)
def is_empty(db: Db, found: Backend) -> bool:
    """Return whether nothing is behind a backend: its port has no endpoint, not even one that is not ready.

    An endpoint that is not ready counts, so that no restart of a pod changes the answer. Files need not have
    EndpointSlices: of a Service without any nothing is known.
    """
    service = Ref(*found.key)
    port = _declared(db, service, found.port, _transport(found))
    if found.hostname or port is None:
        return False
    known = db.select(slices, Slices(service))
    if not known and (db.settings.standalone or db.settings.offline):
        return False
    return not any(_has_endpoint(db.get(EndpointSlice, each), port) for each in known)


def _has_endpoint(found: EndpointSlice | None, port: ServicePort) -> bool:
    if found is None or not found.endpoints:
        return False
    return any(_is_of(each, port.name, port.protocol) for each in found.ports)


def _is_of(port: EndpointPort, name: str, protocol: str) -> bool:
    """Return whether the port of an EndpointSlice is that of the Service's port of a name and protocol."""
    return (port.name, port.protocol) == (name, protocol)


def slice_endpoints(db: Db, ref: Ref, port_name: str, protocol: str) -> tuple[BackendEndpoint, ...]:
    """Return what an EndpointSlice has for the Service's port of that name: the ready, and those that serve on."""
    found = db.get(EndpointSlice, ref)
    if found is None or found.address_type == "FQDN":
        return ()
    numbers = [each.port for each in found.ports if each.port and _is_of(each, port_name, protocol)]
    return tuple(
        # The addresses of one endpoint stand for the same process: the first will do.
        BackendEndpoint(each.addresses[0], number, each.zone or "", draining=not each.ready)
        for number in numbers
        for each in found.endpoints
        if each.ready or (each.conditions.serving and each.conditions.terminating)
    )


BACKEND = BackendKind(Service, service_port, endpoints, connection, is_empty, datagrams, protocol_field="appProtocol")
