"""The addresses of a Gateway in a cluster: what it asks for, what its Service has been given, what its proxies bind."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from translator.db import Db
from translator.deployment.names import resource_name
from translator.deployment.parameters import parameters
from translator.gateway import gateways
from translator.objects.gateway import Gateway
from translator.objects.service import Service
from translator.outcome import Outcome, Problem
from translator.query import query
from translator.refs import Ref

ANY_IPV6: Final = "::"
"""All IPv6 addresses of a pod, and no others."""


class Address(NamedTuple):
    """An address at which a Gateway is reached: its type, IPAddress or Hostname, and its value."""

    type: str
    value: str


@query
def bound(db: Db, gateway: Ref) -> tuple[str, ...]:
    """The IP addresses that the proxies of a Gateway bind: in a cluster all of their pod's, of its Service's families.

    The families are those that the Service has been given; until it is there, those that it is to ask for.
    """
    addresses = gateways.addresses(db, gateway).value
    if db.settings.standalone or "IPv6" not in _families(db, gateway):
        return addresses
    return tuple(dict.fromkeys((*addresses, ANY_IPV6)))


def _families(db: Db, gateway: Ref) -> tuple[str, ...]:
    service, chosen = _service(db, gateway), parameters(db, gateway).value
    if service is not None and service.spec.ip_families:
        return service.spec.ip_families
    return () if chosen is None else chosen.service.ip_families


@query
def requested(db: Db, gateway: Ref) -> Outcome[tuple[str, ...]]:
    """The IP addresses that a Gateway asks for; the problems are the Gateway's."""
    found = db.get(Gateway, gateway)
    wanted: list[str] = []
    problems: list[Problem] = []
    for place, address in enumerate(found.spec.addresses if found is not None else ()):
        field = f"spec.addresses[{place}]"
        if address.type != "IPAddress":
            text = f"{field}: the type {address.type} is not supported; give an address of type IPAddress."
            problems.append(Problem("Accepted", "UnsupportedAddress", text))
        elif address.value:  # without a value, any address will do
            if _reserved(address.value):
                text = f"{field}: {address.value} cannot be that of a Service; choose one that others can reach."
                problems.append(Problem("Programmed", "AddressNotUsable", text))
            else:
                wanted.append(str(ip_address(address.value)))
    return Outcome(tuple(dict.fromkeys(wanted)), tuple(problems))


def _reserved(text: str) -> bool:
    """Whether Kubernetes refuses an address for a Service."""
    address = ip_address(text)
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


@query
def assigned(db: Db, gateway: Ref) -> Outcome[tuple[Address, ...]]:
    """The addresses at which a Gateway is reached; the problems tell which are missing, and why."""
    chosen = parameters(db, gateway).value
    wanted = requested(db, gateway)
    if chosen is not None and chosen.self_managed:
        # Whoever runs the proxies also brings the traffic to them.
        return Outcome(tuple(Address("IPAddress", each) for each in wanted.value), wanted.problems)
    service = _service(db, gateway)
    given = _given(service) if service is not None else ()
    return Outcome(given, (*wanted.problems, *_missing(wanted.value, service, given)))


def _service(db: Db, gateway: Ref) -> Service | None:
    return db.get(Service, Ref(Service.kind, gateway.namespace, resource_name(gateway)))


def _given(service: Service) -> tuple[Address, ...]:
    """What a Service is reached at."""
    if service.spec.type == "LoadBalancer":
        found = []
        for each in service.status.load_balancer.ingress:
            found += [Address(*pair) for pair in (("IPAddress", each.ip), ("Hostname", each.hostname)) if pair[1]]
        return tuple(dict.fromkeys(found))[:16]
    if service.spec.external_ips:
        return tuple(Address("IPAddress", each) for each in service.spec.external_ips)[:16]
    cluster_ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return tuple(Address("IPAddress", each) for each in cluster_ips if each not in ("", "None"))


def _missing(wanted: tuple[str, ...], service: Service | None, given: tuple[Address, ...]) -> Iterator[Problem]:
    if service is None:
        yield Problem("Programmed", "AddressNotAssigned", "The Service of the Gateway is not there yet.")
        return
    of_balancer = service.spec.type == "LoadBalancer"
    if of_balancer and len(wanted) > 1:
        text = (
            f"spec.addresses: a load balancer takes one address, {wanted[0]}, not also {', '.join(wanted[1:])}; leave "
            f"one, or set service.type to ClusterIP in the GatewayParameters, where all become external IPs."
        )
        yield Problem("Programmed", "AddressNotUsable", text)
    elif not given:
        # Whether the address that was asked for is the reason is known to the load balancer's controller alone.
        text = f"Service {service.metadata.name} has no address yet; its events tell why (`kubectl describe service`)."
        yield Problem("Programmed", "AddressNotAssigned", text)
    else:
        values = {each.value for each in given}
        for each in wanted:
            if each not in values:
                text = f"spec.addresses: the Service was given {', '.join(sorted(values))}, not {each}."
                yield Problem("Programmed", "AddressNotUsable", text)
