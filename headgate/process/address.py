"""Addresses in the form HOST:PORT."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address.

    Attributes:
        host: an IP address or a host name, without brackets.
        port: 0 to 65535; 0 lets the system choose.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `127.0.0.1:18000`, `[::1]:18000`, `localhost:18000` or `:18000` (every interface).

        Raises:
            ValueError: it has another form; the message names the wrong part.
        """
        host, colon, digits = text.rpartition(":")
        if not colon:
            raise ValueError(f"{text!r} has no port: write HOST:PORT, as in 127.0.0.1:18000")
        if not (digits.isascii() and digits.isdigit() and int(digits) <= 65535):
            raise ValueError(f"{digits!r} in {text!r} is not a port: write a number from 0 to 65535")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        if ":" in host and not bracketed:
            raise ValueError(f"{text!r} is ambiguous: write an IPv6 address in brackets, as in [::1]:{digits}")
        return cls(host or "0.0.0.0", int(digits))  # the usual meaning of an empty host

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address; None for a host name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (self.ip is not None and self.ip.is_loopback)

    @property
    def for_clients(self) -> Address:
        """The address for clients on this machine: loopback instead of "every interface"."""
        if self.ip is None or not self.ip.is_unspecified:
            return self
        return Address("127.0.0.1" if self.ip.version == 4 else "::1", self.port)

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


#: The default addresses of the xDS server and of the admin port.
DEFAULT_XDS, DEFAULT_ADMIN = Address("127.0.0.1", 18000), Address("127.0.0.1", 19080)
