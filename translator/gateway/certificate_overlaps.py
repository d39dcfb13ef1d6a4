"""Certificates of listeners of one port that are for the same hosts (`ListenerConditionOverlappingTLSConfig`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.gateway.certificates import certificate, listener_certificates
from translator.gateway.listeners import listeners
from translator.gateway.pem import blocks
from translator.gateway.server_certificate import dns_names
from translator.gateway.x509 import read
from translator.ir.listener import Certificate
from translator.refs import ListenerRef, Ref


class CertificateOverlap(NamedTuple):
    """Another listener of the port, and a name of its certificate that is one of the listener's own certificate too.

    Attributes:
        listener: the other listener.
        name: the name in the certificate of the other.
        own_name: the name in the listener's own certificate: the same, or one that covers it, or is covered by it.
    """

    listener: str
    name: str
    own_name: str


class _Use(NamedTuple):
    listener: str
    secret: Ref


@query
def certificate_names(db: Db, secret: Ref) -> tuple[str, ...]:
    """Return the DNS names among the alternative names of a Secret's certificate; none if it cannot be used."""
    found = certificate(db, secret)
    if not isinstance(found, Certificate):
        return ()
    return dns_names(read(next(iter(blocks(found.chain))).data))


@query
def certificate_overlaps(db: Db, owner: Ref) -> Mapping[str, tuple[CertificateOverlap, ...]]:
    """Return by listener of an object its others of the port whose certificates are for the same hosts, each once.

    A client may send requests for the other's hosts on a connection to the listener. Listeners with the same Secret
    share a certificate on purpose, which is not told.
    """
    ports: defaultdict[int, list[str]] = defaultdict(list)
    for state in listeners(db, owner):
        if state.tls:
            ports[state.port].append(state.name)
    found: defaultdict[str, dict[str, CertificateOverlap]] = defaultdict(dict)
    for names in ports.values():
        for one, own_name, other, name in _pairs(db, owner, names) if len(names) > 1 else ():
            found[one].setdefault(other, CertificateOverlap(other, name, own_name))
            found[other].setdefault(one, CertificateOverlap(one, own_name, name))
    return {listener: tuple(sorted(others.values())) for listener, others in found.items()}


def _pairs(db: Db, owner: Ref, names: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield pairs of listeners, each with the names of their certificates that overlap, in order."""
    uses: defaultdict[str, list[_Use]] = defaultdict(list)
    secrets = {listener: listener_certificates(db, ListenerRef(owner, listener)).value for listener in names}
    for listener, found in secrets.items():
        for secret in found:
            for name in certificate_names(db, secret):
                uses[name].append(_Use(listener, secret))
    for name, holders in uses.items():
        for covering in (name, f"*.{name.partition('.')[2]}"):  # in a certificate * stands for one label
            for one in holders:
                for other in uses.get(covering, ()):
                    if one.listener != other.listener and one.secret not in secrets[other.listener]:
                        yield one.listener, name, other.listener, covering
