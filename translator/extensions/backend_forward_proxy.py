"""Backends that are whatever host a request names, as far as they may be: the dynamic forward proxy.

The cluster resolves the host of each request by itself, so that it needs no filter of listeners. Addresses that
requests must not reach are removed from what a name is resolved to, literal ones and later ones of several included:
Envoy tries one after the other where connections fail, and has a filter see the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from translator.backends.guarded import LOCAL_RANGES, PRIVATE_RANGES
from translator.db import Db
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook
from translator.envoy.predicates import write_range
from translator.envoy.upstream_filters import GUARD, add_filter, allow_hosts
from translator.extensions.backend_members import BackendMember
from translator.extensions.upstream_tls_fields import ConfiguredTls
from translator.ir.backend import LAST, Backend, BackendKey, BackendSetting
from translator.objects.headgate.forwardproxybackend import DynamicForwardProxy
from translator.outcome import Outcome, Problem
from translator.refs import Ref

Network = IPv4Network | IPv6Network
ANY: Final = "*"
WITHOUT_ENDPOINTS: Final = (
    "it has no endpoints but the hosts that requests name; remove the field, or target another backend"
)


@dataclass(frozen=True, slots=True)
class ForwardedHosts(BackendSetting, ClusterHook):
    """Requests go to the host that they name.

    Attributes:
        denied: the ranges of addresses that they must not reach.
        hosts: a regular expression for the Host of requests; "" for any.
        ports: the ports that they must not reach: Headgate's own.
    """

    discovers: ClassVar[bool] = True
    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    overrules: ClassVar[Mapping[str, str]] = dict.fromkeys(("load_balancer", "health_check"), WITHOUT_ENDPOINTS)
    denied: tuple[str, ...]
    hosts: str
    ports: tuple[int, ...] = ()

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``ClusterConfig`` of the forward proxy in place of endpoints, and the filter of hosts and ports.

        What others say of endpoints, such as how one is chosen, is not for a cluster without.
        """
        for field in ("load_balancing_policy", "common_lb_config", "health_checks", "load_assignment"):
            cluster.ClearField(field)
        if choice := cluster.WhichOneof("lb_config"):
            cluster.ClearField(choice)
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        made = ClusterConfig()
        made.dns_cache_config.name = cluster.name
        made.dns_cache_config.dns_lookup_family = Cluster.V4_PREFERRED
        for each in self.denied:
            write_range(made.dns_cache_config.resolved_address_filter.ranges.add(), each)
        with http_options(cluster) as options:
            add_filter(options, GUARD, allow_hosts(self.hosts, self.ports))
        # Otherwise Envoy demands what is for TLS to hosts by their own names.
        made.allow_insecure_cluster_options = True
        self.write_tls(cluster, backend)
        cluster.cluster_type.name = "envoy.clusters.dynamic_forward_proxy"
        cluster.cluster_type.typed_config.Pack(made, deterministic=True)

    def write_tls(self, cluster: Cluster, backend: Backend) -> None:
        """Write how connections are encrypted: as policies say."""


@dataclass(frozen=True, slots=True)
class EncryptedHosts(ForwardedHosts):
    """The same by TLS, to whom the system's authorities have certified the name of the host."""

    encrypts: ClassVar[bool] = True

    def write_tls(self, cluster: Cluster, backend: Backend) -> None:
        """Write what autoSni and wellKnownCACertificates of a policy would, unless a policy has written something."""
        if cluster.HasField("transport_socket"):
            return
        ConfiguredTls("", follows_host=True).apply_to_cluster(cluster, backend)


def read(db: Db, ref: Ref, found: DynamicForwardProxy) -> Outcome[Backend | None]:
    """Return the backend that a forward proxy is; none if it would be for more than it may."""
    problems = tuple(_faults(db, found))
    if problems:
        return Outcome(None, problems)
    machine = db.settings.machine if db.settings.standalone else ()
    # Those of this machine are denied even where the range that they are in is allowed, unless they are themselves.
    denied = [*_without(map(ip_network, (*LOCAL_RANGES, *PRIVATE_RANGES)), tuple(map(ip_network, found.allow_private)))]
    denied += (each for each in map(ip_network, machine) if str(each) not in found.allow_private)
    hosts = "" if ANY in found.allowed_hosts else _expression(found.allowed_hosts)
    make = EncryptedHosts if found.enable_tls else ForwardedHosts
    ports = tuple(sorted({each.port for each in db.settings.own}))
    setting = make(tuple(dict.fromkeys(map(str, denied))), hosts, ports)
    return Outcome(Backend(BackendKey(*ref), 0, settings=(setting,)))


def _faults(db: Db, found: DynamicForwardProxy) -> Iterator[Problem]:
    if not found.allowed_hosts and not db.settings.standalone:
        text = (
            "allowedHosts: is required in a cluster: name the hosts that requests may be for, such as *.example.com, "
            "or * for any."
        )
        yield Problem("Accepted", "Invalid", text)
    for place, each in enumerate(found.allow_private):
        local = [one for one in LOCAL_RANGES if _overlap(ip_network(each), ip_network(one))]
        if local and not db.settings.local_backends:
            text = (
                f"allowPrivate[{place}]: {each} has addresses of the proxies' own machine or link, in {local[0]}; "
                f"allow others only, or have Headgate started with --local-backends."
            )
            yield Problem("Accepted", "Invalid", text)


def _expression(hosts: Iterable[str]) -> str:
    """Return a regular expression for the Host of requests to hosts, with a port or without; "" for any."""
    names = [
        rf"(?:[-a-z0-9_]+\.)+{re.escape(each.removeprefix('*.'))}" if each.startswith("*.") else re.escape(each)
        for each in hosts
    ]
    return rf"(?i)(?:{'|'.join(names)})\.?(?::[0-9]{{1,5}})?" if names else ""


def _without(networks: Iterable[Network], allowed: tuple[Network, ...]) -> Iterator[Network]:
    """Yield networks without those that are allowed."""
    for each in networks:
        left = [each]
        for one in allowed:
            left = [part for whole in left for part in _difference(whole, one)]
        yield from left


def _difference(network: Network, allowed: Network) -> Iterator[Network]:
    if not _overlap(network, allowed):
        yield network
    elif allowed.prefixlen > network.prefixlen:
        yield from network.address_exclude(allowed)  # type: ignore[arg-type]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


MEMBER: Final = BackendMember("dynamic_forward_proxy", read)
