"""Addresses where Headgate and its proxies listen themselves: no route may lead there, and no listener may take them.

Behind them are the configuration and the administration of every tenant's proxies, for whoever comes from this machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

IpAddress = IPv4Address | IPv6Address
_LOOPBACK: Final = (ip_address("127.0.0.1"), ip_address("::1"))
"""Where connections to the unspecified addresses go."""


class OwnAddress(NamedTuple):
    """An address of Headgate's, or of its proxies.

    Attributes:
        port: its TCP port.
        use: what is there, for messages.
        addresses: the IP addresses that it is bound to. Where it is bound to all, those of the machine, and the
            unspecified one; loopback is always meant too.
    """

    port: int
    use: str
    addresses: tuple[str, ...] = ()


def reached(own: Iterable[OwnAddress], host: str, port: int) -> OwnAddress | None:
    """Return the address of Headgate's that a connection to `host` and `port` would or could reach; None if none.

    Args:
        own: Headgate's addresses.
        host: an IP address in any spelling; or a name, which can resolve to anything when Envoy asks for it.
        port: the TCP port.
    """
    address = _parse(host)
    for each in own:
        if each.port == port and (address is None or is_local(address) or str(address) in each.addresses):
            return each
    return None


def taken(own: Iterable[OwnAddress], host: str, port: int) -> OwnAddress | None:
    """Return the address of Headgate's that a listener on `host` and `port` would clash with; None if none."""
    for each in own:
        if each.port == port and any(overlap(host, bound) for bound in each.addresses):
            return each
    return None


def reaches(bound: str, host: str, machine: Iterable[str] = ()) -> bool:
    """Return whether a connection to `host` reaches a listener that is bound to the IP address `bound`.

    Args:
        bound: an IP address, or the unspecified one for all of its family.
        host: an IP address in any spelling; of names, which can resolve to anything, only `localhost` counts.
        machine: the IP addresses of the machine of the listener, as far as they are known.
    """
    own, address = ip_address(bound), _parse(host)
    if address is None:
        name = host.lower().rstrip(".")
        return (name == "localhost" or name.endswith(".localhost")) and (own.is_unspecified or own in _LOOPBACK)
    if own.version != address.version:
        return False
    if own.is_unspecified:
        return is_local(address) or str(address) in machine
    return own == address or (address.is_unspecified and own in _LOOPBACK)


def overlap(one: str, other: str) -> bool:
    """Whether two IP addresses cannot both be bound at one port: they are the same, or one stands for all."""
    first, second = ip_address(one), ip_address(other)
    same_family = first.version == second.version
    return first == second or (same_family and (first.is_unspecified or second.is_unspecified))


def is_local(address: IpAddress) -> bool:
    """Whether it is this machine's by itself: a connection to the unspecified address goes to loopback."""
    return address.is_loopback or address.is_unspecified


def _parse(host: str) -> IpAddress | None:
    """Read an IP address, an IPv4 one that is written as IPv6 (`::ffff:127.0.0.1`) as what it is; None for a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
