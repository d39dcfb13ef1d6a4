"""Rotation of an authority without a certificate that a peer does not trust. Pure: the caller passes the time.

A new authority is trusted before it signs, and the old one until it expires: first the *next* one is distributed in
addition to the *current* one; a day later, when every proxy has it, it becomes the current one; the *previous* one is
trusted until it expires.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from headgate.security.authority import BACKDATED, KeyPair, make_authority, read_certificate

#: Time from the distribution of a new authority until it signs: ConfigMaps reach pods within minutes.
HANDED_OUT = timedelta(days=1)
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authorities at one time.

    Attributes:
        current: the authority that signs.
        next: the authority that will sign next; None most of the time.
        previous: the certificate of the authority that signed before, PEM; empty if there was none.
        drain_key: the secret key of the drain paths of proxies. It never changes, since they are part of the pod
            template; empty if there is none yet.
    """

    current: KeyPair
    next: KeyPair | None = None
    previous: bytes = b""
    drain_key: bytes = field(default=b"", repr=False)

    @property
    def trusted(self) -> str:
        """The certificates of all of them, PEM, which proxies must trust."""
        certificates = (self.current.certificate, self.next.certificate if self.next else b"", self.previous)
        # A user's certificate may lack a final line break.
        return b"".join(each.rstrip() + b"\n" for each in certificates if each).decode()

    def at(self, now: datetime) -> Authorities:
        """Return the authorities for a time; the same ones if none is due.

        One that expired while no replica ran is not trusted any more: the next one replaces it at once.
        """
        if not self.drain_key:
            return replace(self, drain_key=secrets.token_bytes(_KEY_BYTES)).at(now)
        if now >= _ends(self.current):
            coming = self.next if self.next is not None and now < _ends(self.next) else make_authority(now)
            return Authorities(coming, drain_key=self.drain_key)
        if self.next is not None and now >= _made(self.next) + HANDED_OUT:
            return Authorities(self.next, None, self.current.certificate, self.drain_key)
        if self.next is None and self.current.due(now):
            return replace(self, next=make_authority(now))
        if self.previous and now >= read_certificate(self.previous).not_valid_after_utc:
            return replace(self, previous=b"")
        return self

    def data(self) -> dict[str, bytes]:
        """Return the data of a Secret, which `read` reads."""
        data = {"tls.crt": self.current.certificate, "tls.key": self.current.key, "ca.crt": self.trusted.encode()}
        if self.next is not None:
            data |= {"next.crt": self.next.certificate, "next.key": self.next.key}
        if self.previous:
            data["previous.crt"] = self.previous
        if self.drain_key:
            data["drain.key"] = self.drain_key
        return data

    @classmethod
    def read(cls, data: Mapping[str, bytes]) -> Self:
        """Read the data of a Secret; an invalid previous certificate is ignored.

        Raises:
            ValueError: it contains no certificate and key of an authority.
        """
        try:
            current = KeyPair(data["tls.crt"], data["tls.key"])
            coming = KeyPair(data["next.crt"], data["next.key"]) if "next.crt" in data else None
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None
        for each in (current, coming):
            if each is not None:
                each.check_authority()
        return cls(current, coming, _certificate(data.get("previous.crt", b"")), data.get("drain.key", b"")[:64])

    @classmethod
    def new(cls, now: datetime) -> Self:
        """Create the first authority."""
        return cls(make_authority(now), drain_key=secrets.token_bytes(_KEY_BYTES))


def _certificate(pem: bytes) -> bytes:
    """Return the PEM of a certificate; empty if it is not one."""
    try:
        read_certificate(pem)
    except ValueError:
        return b""
    return pem


def _ends(pair: KeyPair) -> datetime:
    return read_certificate(pair.certificate).not_valid_after_utc


def _made(pair: KeyPair) -> datetime:
    return read_certificate(pair.certificate).not_valid_before_utc + BACKDATED
