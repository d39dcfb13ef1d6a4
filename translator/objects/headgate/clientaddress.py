"""Fields of a ListenerPolicy that say which address is that of the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StrictInt

from translator.objects.headgate.addresses import Cidr
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean, HeaderName

_AGAIN: Final = "is in the list already: remove it"
_DETECTION: Final = "HttpConnectionManager.original_ip_detection_extensions"


class ClientIPHeader(Fields):
    """A header in which a proxy in front writes the address of the client."""

    name: HeaderName
    """Its name; its value is one address."""
    fail_closed: Boolean | None = None
    """Whether requests without an address there get 403; others are taken as from the address of their connection. By
    default false."""


class DirectSourceIP(Fields):
    """The address of the connection; it is written ``{}``."""


class ClientIP(CheckedFields):
    """Where the address of the client is to be found, if not in X-Forwarded-For."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.customHeader) != has(self.directSourceIP)",
            "exactly one of customHeader and directSourceIP must be set",
        ),
    )
    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("custom_header", "direct_source_ip"),)

    custom_header: Annotated[ClientIPHeader | None, ATOMIC, Doc(envoy=f"{_DETECTION}: CustomHeaderConfig")] = None
    """A header. Whoever can connect can write it: nobody but the proxy in front should reach the listener."""
    direct_source_ip: Annotated[
        DirectSourceIP | None,
        Field(alias="directSourceIP"),
        ATOMIC,
        Doc(envoy="HttpConnectionManager.use_remote_address"),
    ] = None
    """The address of the connection, whatever less specific policies say."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if (self.custom_header is None) == (self.direct_source_ip is None):
            yield FieldViolation((), "must have exactly one of customHeader and directSourceIP")


WAYS: Final = (
    ("xffNumTrustedHops", "xff_num_trusted_hops"),
    ("xffTrustedCIDRs", "xff_trusted_cidrs"),
    ("clientIP", "client_ip"),
)
"""The fields of which one only says where the address is, by their names in JSON and here."""
_ONE_WAY: Final = "must not be set together with {}: remove one of them"
_DIRECT: Final = "must not be set while useRemoteAddress is true: set that to false, or remove it"

CLIENT_ADDRESS_RULES: Final = (
    *(
        CelRule(f"!has(self.{other}) || !has(self.{one})", _ONE_WAY.format(one), other)
        for place, (other, _) in enumerate(WAYS)
        for one, _ in WAYS[:place]
    ),
    CelRule(
        "!has(self.xffTrustedCIDRs) || !has(self.useRemoteAddress) || !self.useRemoteAddress",
        _DIRECT,
        "xffTrustedCIDRs",
    ),
)
"""The rules between these fields, for custom resource definitions."""


class ClientAddressSettings(Fields):
    """Which address is that of the client: policies by address, limits, logs and backends go by it."""

    use_remote_address: Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.use_remote_address")] = None
    """Whether it is the address of the connection; if false, it is the last one in X-Forwarded-For, which anybody can
    write who can connect. By default true, and false with `xffTrustedCIDRs` or `clientIP.customHeader`."""
    xff_num_trusted_hops: Annotated[
        Annotated[StrictInt, Field(ge=0, le=64)] | None, Doc(envoy="HttpConnectionManager.xff_num_trusted_hops")
    ] = None
    """How many proxies in front each add an address to X-Forwarded-For: the client's is the one that the first of them
    has added. By default 0."""
    xff_trusted_cidrs: Annotated[
        tuple[Cidr, ...] | None,
        Field(alias="xffTrustedCIDRs", min_length=1, max_length=128),
        unique(None, _AGAIN),
        Doc(envoy=f"{_DETECTION}: XffConfig.xff_trusted_cidrs"),
    ] = None
    """The proxies in front, by their addresses: of a connection from one of these, the client's address is the last one
    in X-Forwarded-For that is none of them; of others it is that of the connection."""
    skip_xff_append: Annotated[
        Boolean | None, Field(alias="skipXFFAppend"), Doc(envoy="HttpConnectionManager.skip_xff_append")
    ] = None
    """Whether X-Forwarded-For is left as it came; else the address of the connection is added, as it is in any case
    where that is none of `xffTrustedCIDRs`. By default false, and true where the client's address comes from a
    header."""
    client_ip: Annotated[ClientIP | None, Field(alias="clientIP"), ATOMIC] = None
    """Where the address is to be found, if not in X-Forwarded-For."""

    def client_address_violations(self) -> Iterator[FieldViolation]:
        """Yield each field that must not stand beside another."""
        for place, (alias, name) in enumerate(WAYS):
            for one, other in WAYS[:place]:
                if getattr(self, name) is not None and getattr(self, other) is not None:
                    yield FieldViolation((alias,), _ONE_WAY.format(one))
        if self.xff_trusted_cidrs is not None and self.use_remote_address:
            yield FieldViolation(("xffTrustedCIDRs",), _DIRECT)
