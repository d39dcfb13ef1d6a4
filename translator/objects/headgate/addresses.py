"""Ranges of addresses in Headgate's own kinds."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from translator.objects.schema.documentation import TypeName

MAX_CHARACTERS: Final = 64
_MESSAGE: Final = "must be an address, or a range of addresses, like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def _cidr(value: object) -> str:
    if isinstance(value, str) and len(value) <= MAX_CHARACTERS and "%" not in value:
        try:
            found = ip_network(value, strict=False)
        except ValueError:
            found = None
        if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
            # The proxy sees such a client at its address of IPv4.
            low = found.network_address.ipv4_mapped
            return str(ip_network(f"{low}/{found.prefixlen - _MAPPED.prefixlen}", strict=False))
        if found is not None and not ("/" in value and "." in value.rpartition("/")[2]):
            return str(found)
    raise PydanticCustomError("cidr", _MESSAGE)


_RULE: Final = "isCIDR(self) || isIP(self)"

Cidr = Annotated[
    str,
    PlainValidator(_cidr),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_CHARACTERS,
            "x-kubernetes-validations": [{"rule": _RULE, "message": _MESSAGE}],
        }
    ),
    TypeName("CIDR"),
]
"""A range of addresses, or an address, which is held as a range of one: ``192.0.2.7/32``."""
