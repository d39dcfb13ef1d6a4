"""Headgate's own web application firewall in a cluster: which Gateways need it, and where each one's is."""

from __future__ import annotations

from translator.backends.service import endpoints
from translator.backends.waf_service import DEPLOYED, PORT
from translator.db import Db
from translator.engine.query import query
from translator.envoy.cluster import load_assignment
from translator.infrastructure.names import waf_name
from translator.ir.backend import Backend, BackendKey
from translator.objects.kubernetes.service import Service
from translator.refs import Ref
from translator.resources.filter_needs import gateway_needs
from xds import ENDPOINT, Resource


@query(firewall=True)
def needs_waf_service(db: Db, gateway: Ref) -> bool:
    """Return whether policies of a Gateway have requests inspected by a service for which they name none."""
    return DEPLOYED in gateway_needs(db, gateway).backends


@query
def waf_endpoints_resource(db: Db, gateway: Ref) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of Headgate's own firewall, as it is deployed for a Gateway."""
    found = Backend(BackendKey(Service.kind, gateway.namespace, waf_name(gateway)), PORT)
    message = load_assignment(DEPLOYED, endpoints(db, found))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))
