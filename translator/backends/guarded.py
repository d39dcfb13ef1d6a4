"""Hosts that proxies must not connect to for whoever may name one: their own machine, and what trusts it (SSRF)."""

from __future__ import annotations

import posixpath
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from translator.inputs import Settings
from translator.own_addresses import IpAddress, reached

_MACHINE_NAMES: Final = ("localhost", "localdomain", "ip6-localhost", "ip6-loopback", "local")
"""The last labels of names that stand for the machine itself, or for those on its link (RFC 6761, RFC 6762)."""
_METADATA: Final = (
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::23",
    "fd00:ec2::254",
    "fd20:ce::254",
)
"""Where clouds tell a machine its credentials, beside the link-local addresses."""
_METADATA_NAMES: Final = ("metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal")
LOCAL_RANGES: Final = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fe80::/10",
    "ff00::/8",
    *(f"{each}/{128 if ':' in each else 32}" for each in _METADATA),
)
"""The addresses of a machine itself, of its link, of what stands for these, and of clouds' metadata."""
PRIVATE_RANGES: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
)
"""The addresses that are not global (RFC 6890), beside those: of private networks, carriers, tests and tunnels."""
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_6TO4: Final = ip_network("2002::/16")
_CLUSTER: Final = "cluster.local"
_SYSTEM_FOLDERS: Final = ("/proc", "/sys", "/dev")
WAY_OUT: Final = "use another host, or have Headgate started with --local-backends"


def address_fault(settings: Settings, host: str, port: int) -> str:
    """Return why proxies may not connect to a host, and the way out; "" if they may.

    Args:
        settings: the settings, which say what Headgate's own addresses are.
        host: an IP address or a DNS name.
        port: the port.
    """
    address = _address(host)
    if own := reached(settings.own, host if address is None else str(address), port):
        return f"{own.use} is or may be at port {port}, where no request may go; use another port"
    if address is None:
        return _name_fault(settings, host.lower().rstrip("."))
    if not address.is_loopback and address.is_multicast:
        return f"{host} is a multicast address, which is no host; correct it"
    if settings.local_backends:
        return ""
    where = _local(address)
    return f"{host} is {where}, where what trusts the proxies' machine may be; {WAY_OUT}" if where else ""


def url_fault(settings: Settings, host: str, port: int) -> str:
    """Return why proxies may not fetch a URL that a policy names, and the way out; "" if they may.

    What is fetched is of whoever proves by a certificate to be that host, wherever its name leads.
    """
    if own := reached(settings.own, host, port):
        return f"{own.use} may be at port {port}, where no request may go; use another port"
    if settings.allow_http_issuers or _is_of_cluster(host.lower().rstrip(".")):
        return ""
    return address_fault(settings, host, port)


def socket_fault(settings: Settings, path: str) -> str:
    """Return why proxies may not connect to a socket of Unix, and the way out; "" if they may."""
    if not settings.local_backends:
        return f"{path} is a socket on the proxies' own machine; {WAY_OUT}"
    if posixpath.normpath(path) != path or path.startswith("//"):
        return f"{path} must be written without '.', '..' and repeated slashes; correct it"
    if any(_is_within(path, each) for each in _SYSTEM_FOLDERS):
        return f"{path} is in a folder of the system, where other paths have further names; use the path itself"
    if any(_is_within(_plain(path), _plain(each)) for each in settings.own_folders):
        return f"{path} is in the folder of Headgate's own sockets, where no request may go; use another socket"
    return ""


def _name_fault(settings: Settings, name: str) -> str:
    last = name.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):
        # Resolvers take 127.1, 2130706433 and 0x7f000001 for addresses.
        return f"{name} is no DNS name, whose last label has a letter, and no IP address as it is usually written"
    if _is_of_cluster(name):
        return f"{name} is the name of a Service or pod; refer to the Service, which may need a ReferenceGrant"
    if settings.local_backends:
        return ""
    if last in _MACHINE_NAMES or name in _METADATA_NAMES:
        return f"{name} is the proxies' own machine, or what trusts it; {WAY_OUT}"
    return ""


def _is_of_cluster(name: str) -> bool:
    return name == _CLUSTER or name.endswith(f".{_CLUSTER}")


def _address(host: str) -> IpAddress | None:
    """Read an IP address; one of IPv4 that is written as IPv6 as what it is."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return _embedded(found) or found if isinstance(found, IPv6Address) else found


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the address of IPv4 that one of IPv6 stands for: mapped, compatible, translated (NAT64) or 6to4."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if any(isinstance(each, IPv6Network) and address in each for each in _NAT64) or 1 < int(address) < 2**32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if isinstance(_6TO4, IPv6Network) and address in _6TO4:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return None


def _local(address: IpAddress) -> str:
    """Return what an address is that only this machine, or its link, has; "" if it is none."""
    if address.is_loopback:
        return "a loopback address"
    if address.is_unspecified or (isinstance(address, IPv4Address) and address in ip_network("0.0.0.0/8")):
        return "an address of this machine"
    if address.is_link_local:
        return "a link-local address"
    return "an address of a cloud's metadata" if str(address) in _METADATA else ""


def _plain(path: str) -> str:
    """Return a path by its usual name: /var/run is a link to /run."""
    return path.removeprefix("/var") if _is_within(path, "/var/run") else path


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
