"""Headgate's own rate limit service in a cluster: which Gateways need it, and where each one's is."""

from __future__ import annotations

from dataclasses import replace

from translator.backends.rate_limit_service import DEPLOYED, PORT
from translator.backends.service import endpoints
from translator.db import Db
from translator.engine.query import query
from translator.envoy.cluster import load_assignment
from translator.infrastructure.manifest import ProxyManifests
from translator.infrastructure.manifests import proxy_manifests, with_udp_ports
from translator.infrastructure.names import rate_limit_name
from translator.ir.backend import Backend, BackendKey
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome
from translator.refs import Ref
from translator.resources.filter_needs import gateway_needs
from translator.resources.listeners import http3_ports
from translator.resources.waf_service import needs_waf_service
from xds import ENDPOINT, Resource


@query(firewall=True)
def needs_rate_limit_service(db: Db, gateway: Ref) -> bool:
    """Return whether policies of a Gateway have limits for which they name no service of their own."""
    return DEPLOYED in gateway_needs(db, gateway).backends


@query
def rate_limit_endpoints_resource(db: Db, gateway: Ref) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of Headgate's own rate limit service, as it is deployed for a Gateway."""
    found = Backend(BackendKey(Service.kind, gateway.namespace, rate_limit_name(gateway)), PORT)
    message = load_assignment(DEPLOYED, endpoints(db, found))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))


@query
def deployed_manifests(db: Db, gateway: Ref) -> Outcome[ProxyManifests] | None:
    """Return the manifests of what is deployed for a Gateway: its proxies, and services that policies need.

    The Service of the proxies has the ports of HTTP/3, which policies ask for, beside those of listeners.
    """
    found = proxy_manifests(db, gateway)
    if found is None or not found.value.manifests:
        return found
    own = found.value.rate_limit if needs_rate_limit_service(db, gateway) else ()
    firewall = found.value.waf if found.value.waf and needs_waf_service(db, gateway) else ()
    proxies = with_udp_ports(found.value.manifests, http3_ports(db, gateway))
    made = replace(found.value, manifests=(*proxies, *own, *firewall), rate_limit=(), waf=())
    return Outcome(made, found.problems)
