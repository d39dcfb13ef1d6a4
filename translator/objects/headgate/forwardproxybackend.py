"""Backends that are whatever host a request names."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.addresses import Cidr
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import ALLOWED_HOST, Boolean

MOST_ALLOWED: Final = 64
"""The most hosts, and ranges of addresses, that a forward proxy may be for."""

AllowedHost = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=ALLOWED_HOST,
    ),
]
"""A DNS name, one that begins with ``*.`` for all below it, or ``*`` for any host."""


class DynamicForwardProxy(Fields):
    """The host that a request names, at the port that it names."""

    enable_tls: Annotated[Boolean, Doc(envoy="UpstreamTlsContext")] = False
    """Whether hosts are connected to by TLS, with certificates for their names that the system's authorities issued."""
    allowed_hosts: Annotated[
        tuple[AllowedHost, ...],
        Field(max_length=MOST_ALLOWED),
        unique(None, "must not be there twice: remove one of them"),
        Doc(envoy="RBAC in HttpProtocolOptions.http_filters"),
    ] = ()
    """The hosts that requests may name, whatever their ports; in a cluster there must be one. By default any host."""
    allow_private: Annotated[
        tuple[Cidr, ...],
        Field(max_length=MOST_ALLOWED),
        unique(None, "must not be there twice: remove one of them"),
        Doc(envoy="DnsCacheConfig.resolved_address_filter"),
    ] = ()
    """The ranges of private addresses that hosts may have. By default none: only global addresses are connected to."""
