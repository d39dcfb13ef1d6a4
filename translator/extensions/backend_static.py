"""Backends with hosts of their own: addresses, names and sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from translator.backends.guarded import address_fault, socket_fault
from translator.backends.host_names import absolute
from translator.db import Db
from translator.extensions.backend_guard import GuardedHosts
from translator.extensions.backend_members import BackendMember
from translator.inputs import Settings
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, Protocol
from translator.objects.headgate.staticbackend import StaticBackend, StaticHost
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem
from translator.policies.backends import with_policies
from translator.refs import Ref

PROTOCOLS: Final[Mapping[str | None, str]] = {
    "http": Protocol.HTTP1.value,
    "https": Protocol.HTTP1.value,
    "grpc-web": Protocol.HTTP1.value,
    "kubernetes.io/ws": Protocol.HTTP1.value,
    "kubernetes.io/wss": Protocol.HTTP1.value,
    "http2": Protocol.H2C.value,
    "grpc": Protocol.H2C.value,
    "kubernetes.io/h2c": Protocol.H2C.value,
}
"""What is spoken for an `appProtocol`; without one, what the route speaks."""
USUAL_PORTS: Final = (80, 443)


def read(db: Db, ref: Ref, found: StaticBackend) -> Outcome[Backend | None]:
    """Return the backend that hosts are; none if requests could go where they must not.

    If all hosts are addresses, these are a resource of their own: an edit of them replaces no cluster.
    """
    problems = tuple(_faults(db, found))
    if problems:
        return Outcome(None, problems)
    protocol = PROTOCOLS.get(found.app_protocol, "")
    named = any(each.host is not None and not is_ip_address(each.host) for each in found.hosts)
    hosts = endpoints(db, ref, found) if named else ()
    # Where names lead is known once they are resolved.
    settings = (GuardedHosts(),) if named and not db.settings.local_backends else ()
    return Outcome(Backend(BackendKey(*ref), 0, protocol, settings=settings, hosts=hosts))


def endpoints(db: Db, _ref: Ref, found: StaticBackend) -> tuple[BackendEndpoint, ...]:
    """Return the hosts as endpoints."""
    return tuple(_endpoint(db, each) for each in found.hosts)


def _faults(db: Db, found: StaticBackend) -> Iterator[Problem]:
    for place, each in enumerate(found.hosts):
        field = f"hosts[{place}]"
        if each.host is not None and (fault := host_fault(db.settings, each.host, each.port or 0)):
            yield _invalid(f"{field}.host: {fault}.")
        if each.unix is not None and (fault := socket_fault(db.settings, each.unix)):
            yield _invalid(f"{field}.unix: {fault}.")
    sockets = any(each.unix is not None for each in found.hosts)
    if sockets and any(each.host is not None and not is_ip_address(each.host) for each in found.hosts):
        yield _invalid("hosts: names and sockets of Unix cannot be in one Backend; make two Backends of them.")


def host_fault(settings: Settings, host: str, port: int) -> str:
    """Return why a host can be no backend, and the way out; "" if it can."""
    if fault := address_fault(settings, host, port):
        return fault
    if not _is_malformed(host):
        return ""
    way_out = "leave out the port, which has a field of its own" if host.count(":") == 1 else "correct it"
    return f"{host} is neither a DNS name nor an IP address; {way_out}"


def host_backend(db: Db, ref: Ref, host: str, port: int, field: str) -> Outcome[Backend | None]:
    """Return the backend that one host is, with the policies of its Backend; none if it can be none.

    Args:
        db: the database.
        ref: the Backend.
        host: the name or address.
        port: its port.
        field: the path of the host, for messages.
    """
    if fault := host_fault(db.settings, host, port):
        return Outcome(None, (_invalid(f"{field}: {fault}."),))
    named = not is_ip_address(host)
    # Where a name leads is known once it is resolved.
    settings = (GuardedHosts(),) if named and not db.settings.local_backends else ()
    hosts = (BackendEndpoint(absolute(db.settings, host) if named else host, port),)
    made = Backend(BackendKey(*ref), port, Protocol.HTTP1.value, settings=settings, hosts=hosts)
    return with_policies(db, ref, "", Outcome(made))


def authority(host: str, port: int) -> str:
    """Return the Host of requests to a host: without the port where it is the usual one of HTTP or HTTPS."""
    written = f"[{host}]" if ":" in host else host.rstrip(".")
    return written if port in USUAL_PORTS else f"{written}:{port}"


def _is_malformed(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return not is_ip_address(host) and not all(_is_label(each) for each in labels)


def _is_label(text: str) -> bool:
    return 0 < len(text) <= 63 and ":" not in text and not text.startswith("-") and not text.endswith("-")


def _invalid(text: str) -> Problem:
    return Problem("Accepted", "Invalid", text)


def _endpoint(db: Db, found: StaticHost) -> BackendEndpoint:
    host = found.unix or absolute(db.settings, found.host or "")
    return BackendEndpoint(
        host, found.port or 0, found.zone or "", weight=found.weight or 0, priority=int(found.fallback)
    )


MEMBER: Final = BackendMember("static", read, endpoints, connections=lambda _: True)
