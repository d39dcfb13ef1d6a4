"""Units of ListenerPolicies that say which address is that of the client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.original_ip_detection.custom_header.v3.custom_header_pb2 import (
    CustomHeaderConfig,
)
from headgate_proto.envoy.extensions.http.original_ip_detection.xff.v3.xff_pb2 import XffConfig
from translator.envoy.hooks import ConnectionManagerHook
from translator.envoy.predicates import write_range
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.clientaddress import WAYS, ClientIP
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome
from translator.policies.effective import is_enforced

FORBIDDEN: Final = 403
SETTINGS: Final = "http_settings."
PREFIX: Final = "envoy.http.original_ip_detection."


@dataclass(frozen=True, slots=True)
class ClientAddress(ListenerSetting):
    """Part of what says which address is the client's; the parts are written in the order of the units.

    The first of the connection managers of a listener with filters finds the address, and tells the second one.
    """

    of_clients: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class RemoteAddress(ClientAddress, ConnectionManagerHook):
    """Whether it is the address of the connection."""

    used: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``use_remote_address``."""
        manager.use_remote_address.value = self.used


@dataclass(frozen=True, slots=True)
class TrustedHops(ClientAddress, ConnectionManagerHook):
    """How many proxies in front add to X-Forwarded-For."""

    number: int

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``xff_num_trusted_hops``."""
        manager.xff_num_trusted_hops = self.number


@dataclass(frozen=True, slots=True)
class TrustedRanges(ClientAddress, ConnectionManagerHook):
    """The addresses of the proxies in front."""

    cidrs: tuple[str, ...]

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the ``XffConfig``."""
        found = XffConfig()
        for each in self.cidrs:
            write_range(found.xff_trusted_cidrs.cidrs.add(), each)
        _detect(manager, "xff", found)


@dataclass(frozen=True, slots=True)
class AddressHeader(ClientAddress, ConnectionManagerHook):
    """A header with the address, and whether requests without it are refused."""

    name: str
    closed: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the ``CustomHeaderConfig``."""
        found = CustomHeaderConfig(header_name=self.name)
        if self.closed:
            found.reject_with_status.code = FORBIDDEN  # type: ignore[assignment]  # an enumeration
        _detect(manager, "custom_header", found)


@dataclass(frozen=True, slots=True)
class ConnectionAddress(ClientAddress, ConnectionManagerHook):
    """The address of the connection, whatever else is said."""

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``use_remote_address``."""
        manager.use_remote_address.value = True


@dataclass(frozen=True, slots=True)
class SkippedAppend(ClientAddress, ConnectionManagerHook):
    """Whether X-Forwarded-For is left as it came."""

    skipped: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``skip_xff_append``, in all places that have it."""
        manager.skip_xff_append = self.skipped
        for each in manager.original_ip_detection_extensions:
            found = XffConfig()
            if each.typed_config.Unpack(found):
                found.skip_xff_append.value = self.skipped
                each.typed_config.Pack(found, deterministic=True)


def _detect(manager: HttpConnectionManager, name: str, config: Message) -> None:
    manager.use_remote_address.value = False  # which Envoy does not take beside an extension
    manager.original_ip_detection_extensions.add(name=f"{PREFIX}{name}").typed_config.Pack(config, deterministic=True)


def _way(context: PolicyContext) -> str:
    """Return which of the fields that exclude each other counts: that of the most specific policy with one.

    Of what is enforced it is the least specific; none where that says that it is the address of the connection.
    """
    found = [(context.db.get(Policy, each.policy), each.port) for each in context.stack]
    given = [(policy, port) for policy, port in found if policy is not None]
    enforced = [each for each in given if is_enforced(each[0])]
    for policy, port in (*enforced, *reversed(given)):
        for _, name in reversed(WAYS):
            if policy.spec.unit_value(f"{SETTINGS}{name}", port) is not None:
                return name
        if (policy, port) in enforced and policy.spec.unit_value(f"{SETTINGS}use_remote_address", port):
            return ""  # nobody below may say that clients have another one
    return ""


def read_remote_address(context: PolicyContext) -> ListenerOutcome:
    """Read whether it is the address of the connection."""
    return Outcome((RemoteAddress(context.effective.value),))


def read_hops(context: PolicyContext) -> ListenerOutcome:
    """Read how many proxies in front there are."""
    return Outcome((TrustedHops(context.effective.value),) if _way(context) == "xff_num_trusted_hops" else ())


def read_ranges(context: PolicyContext) -> ListenerOutcome:
    """Read the addresses of the proxies in front."""
    return Outcome((TrustedRanges(context.effective.value),) if _way(context) == "xff_trusted_cidrs" else ())


def read_client_ip(context: PolicyContext) -> ListenerOutcome:
    """Read where the address is, if not in X-Forwarded-For."""
    found = context.effective.value
    assert isinstance(found, ClientIP)
    if _way(context) != "client_ip":
        return Outcome(())
    if found.custom_header is None:
        return Outcome((ConnectionAddress(),))
    return Outcome((AddressHeader(found.custom_header.name, bool(found.custom_header.fail_closed)),))


def read_skip(context: PolicyContext) -> ListenerOutcome:
    """Read whether X-Forwarded-For is left as it came."""
    return Outcome((SkippedAppend(context.effective.value),))


_READERS: Final = (
    ("use_remote_address", read_remote_address, RemoteAddress),
    ("xff_num_trusted_hops", read_hops, TrustedHops),
    ("xff_trusted_cidrs", read_ranges, TrustedRanges),
    ("client_ip", read_client_ip, (AddressHeader, ConnectionAddress)),
    ("skip_xff_append", read_skip, SkippedAppend),
)
EXTENSION = Extension(
    "addresses of clients",
    units=tuple(
        PolicyUnit(ListenerPolicy, f"{SETTINGS}{field}", read, setting, protocols=OF_HTTP)
        for field, read, setting in _READERS
    ),
)
