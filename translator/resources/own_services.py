"""Headgate's own services in a cluster: which Gateways need them, and where each one's are."""

from __future__ import annotations

from dataclasses import replace

from translator.backends.own_service import PORT, OwnService
from translator.backends.service import endpoints
from translator.db import Db
from translator.engine.query import query
from translator.envoy.cluster import load_assignment
from translator.infrastructure.manifest import ProxyManifests
from translator.infrastructure.manifests import proxy_manifests, with_udp_ports
from translator.infrastructure.names import own_service_name
from translator.ir.backend import Backend, BackendKey
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome
from translator.refs import Ref
from translator.resources.filter_needs import gateway_needs
from translator.resources.listeners import http3_ports
from xds import ENDPOINT, Resource


@query(firewall=True)
def needs_service(db: Db, gateway: Ref, service: OwnService) -> bool:
    """Return whether policies of a Gateway ask for what a service does, and name none of their own."""
    return service.deployed in gateway_needs(db, gateway).backends


@query
def service_endpoints_resource(db: Db, gateway: Ref, service: OwnService) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a service, as it is deployed for a Gateway."""
    name = own_service_name(service.prefix, gateway)
    found = Backend(BackendKey(Service.kind, gateway.namespace, name), PORT)
    message = load_assignment(service.deployed, endpoints(db, found))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))


@query
def deployed_manifests(db: Db, gateway: Ref) -> Outcome[ProxyManifests] | None:
    """Return the manifests of what is deployed for a Gateway: its proxies, and services that policies need.

    The Service of the proxies has the ports of HTTP/3, which policies ask for, beside those of listeners.
    """
    found = proxy_manifests(db, gateway)
    if found is None or not found.value.manifests:
        return found
    own = (each for service, made in found.value.services if needs_service(db, gateway, service) for each in made)
    proxies = with_udp_ports(found.value.manifests, http3_ports(db, gateway))
    return Outcome(replace(found.value, manifests=(*proxies, *own), services=()), found.problems)
