"""Addresses of a Gateway in a cluster: requested ones, those assigned to its Service, and those that proxies bind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.gateway import gateways
from translator.infrastructure.names import resource_name
from translator.infrastructure.parameters import parameters
from translator.infrastructure.workload_health import running
from translator.objects.gateway_api.gateway import IN_CLUSTER
from translator.objects.kubernetes.service import HEADLESS, Service
from translator.outcome import Outcome, Problem
from translator.refs import Ref

ANY_IPV6: Final = "::"
"""All IPv6 addresses of a pod, and no others."""
IP, HOSTNAME = "IPAddress", "Hostname"
MOST: Final = 16
"""Most addresses in a Gateway's status."""


class AssignedAddress(NamedTuple):
    """An address at which a Gateway is reached: its type, IPAddress or Hostname, its value, and from where."""

    type: str
    value: str
    routability: str = ""

    @property
    def in_cluster(self) -> bool:
        """Whether it is reached in the cluster only."""
        return self.routability == IN_CLUSTER


@query
def bind_addresses(db: Db, gateway: Ref) -> tuple[str, ...]:
    """Return the IP addresses that the proxies of a Gateway bind: in a cluster the pod's, of its Service's IP families.

    The IP families are those assigned to the Service; until it exists, those that it will request.
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
def requested(db: Db, gateway: Ref) -> Outcome[tuple[AssignedAddress, ...]]:
    """Return the addresses that a Gateway requests; the problems are the Gateway's."""
    spec = gateways.gateway_spec(db, gateway)
    wanted: list[AssignedAddress] = []
    problems: list[Problem] = []
    for place, address in enumerate(spec.addresses if spec is not None else ()):
        field = f"spec.addresses[{place}]"
        if address.type not in (IP, HOSTNAME):
            text = f"{field}: the type {address.type} is not supported; give an address of type {IP} or {HOSTNAME}."
            problems.append(Problem("Accepted", "UnsupportedAddress", text))
        elif not address.value:  # an address of the implementation's choice
            continue
        elif address.type == HOSTNAME:
            wanted.append(AssignedAddress(HOSTNAME, address.value))
        elif _reserved(address.value):
            text = f"{field}: {address.value} cannot be that of a Service; choose one that others can reach."
            problems.append(Problem("Programmed", "AddressNotUsable", text))
        else:
            wanted.append(AssignedAddress(IP, str(ip_address(address.value)), address.routability or ""))
    return Outcome(tuple(dict.fromkeys(wanted)), tuple(problems))


@query
def in_cluster(db: Db, gateway: Ref) -> tuple[bool, bool]:
    """Return whether a Gateway requests an address that is reached in the cluster only, and whether it has no other."""
    spec = gateways.gateway_spec(db, gateway)
    found = [each.in_cluster for each in spec.addresses] if spec is not None else []
    return any(found), bool(found) and all(found)


def _reserved(text: str) -> bool:
    """Return whether Kubernetes rejects an address for a Service."""
    address = ip_address(text)
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


@query
def assigned(db: Db, gateway: Ref) -> Outcome[tuple[AssignedAddress, ...]]:
    """Return the addresses at which a Gateway is reached; the problems are about missing ones.

    They are the addresses of the Service's load balancer; without one, the requested hostnames and external IPs;
    otherwise the nodes with proxies if these are reachable on them, or the Service's own addresses. Addresses that are
    reached in the cluster only are those of the Service.
    """
    chosen = parameters(db, gateway).value
    wanted = requested(db, gateway)
    if chosen is not None and chosen.self_managed:
        # Self-managed proxies: their operator routes the traffic to them.
        return wanted
    service = _service(db, gateway)
    if service is None:
        problem = Problem("Programmed", "AddressNotAssigned", "The Service of the Gateway is not there yet.")
        return Outcome((), (*wanted.problems, problem))
    also, only = in_cluster(db, gateway)
    given: tuple[AssignedAddress, ...]
    if only:
        given = ()
    elif service.spec.type == "LoadBalancer":
        given = _of_balancer(service)
    else:
        named = tuple(each for each in wanted.value if each.type == HOSTNAME)
        given = (*named, *_addresses(service.spec.external_ips)) or _of_nodes(db, gateway, service)
    of_balancer = service.spec.type == "LoadBalancer" and not only
    if also and (given or only):
        given += tuple(each._replace(routability=IN_CLUSTER) for each in _of_service(service))
    return Outcome(given[:MOST], (*wanted.problems, *_missing(wanted.value, service, given, of_balancer=of_balancer)))


def _service(db: Db, gateway: Ref) -> Service | None:
    return db.get(Service, Ref(Service.kind, gateway.namespace, resource_name(gateway)))


def _of_balancer(service: Service) -> tuple[AssignedAddress, ...]:
    found: dict[AssignedAddress, None] = {}
    for each in service.status.load_balancer.ingress:
        found |= {
            AssignedAddress(type_, value): None for type_, value in ((IP, each.ip), (HOSTNAME, each.hostname)) if value
        }
    return tuple(found)


def _of_nodes(db: Db, gateway: Ref, service: Service) -> tuple[AssignedAddress, ...]:
    """Return the nodes with proxies, or else the Service's own addresses, which are reachable in the cluster."""
    proxies = list(running(db, gateway))
    if service.spec.type == "NodePort" or any(each.on_host_network for each in proxies):
        return _addresses(sorted(address for each in proxies for address in each.node_addresses))
    return _of_service(service)


def _of_service(service: Service) -> tuple[AssignedAddress, ...]:
    return _addresses(service.spec.cluster_ips or (service.spec.cluster_ip,))


def _addresses(values: Iterable[str]) -> tuple[AssignedAddress, ...]:
    return tuple(dict.fromkeys(AssignedAddress(IP, each) for each in values if each not in ("", HEADLESS)))


def _missing(
    wanted: tuple[AssignedAddress, ...], service: Service, given: tuple[AssignedAddress, ...], *, of_balancer: bool
) -> Iterator[Problem]:
    numbers = [each.value for each in wanted if each.type == IP and not each.in_cluster]
    if of_balancer and len(numbers) > 1:
        more = ", ".join(numbers[1:])
        text = (
            f"spec.addresses: a load balancer takes one address, {numbers[0]}, not also {more}; leave one, or set "
            f"service.type to ClusterIP in the GatewayParameters, where all become external IPs."
        )
        yield Problem("Programmed", "AddressNotUsable", text)
    elif not given and of_balancer:
        # Only the load balancer's controller knows whether the requested address is the reason.
        text = f"Service {service.metadata.name} has no address yet; its events tell why (`kubectl describe service`)."
        yield Problem("Programmed", "AddressNotAssigned", text)
    elif not given:
        text = "No node has a proxy yet, whose address would be the Gateway's."
        yield Problem("Programmed", "AddressNotAssigned", text)
    else:
        values = [each.value for each in given]
        for each in wanted:
            if each not in given:
                text = f"spec.addresses: the Service was given {', '.join(sorted(values))}, not {each.value}."
                yield Problem("Programmed", "AddressNotUsable", text)
