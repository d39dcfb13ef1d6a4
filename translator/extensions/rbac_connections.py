"""What `rbac` means for connections and datagrams, of which the address of the client is all that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.extensions.filters.udp.udp_proxy.v3 import route_pb2
from headgate_proto.envoy.extensions.filters.udp.udp_proxy.v3.udp_proxy_pb2 import UdpProxyConfig
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy.hooks import SourceHook, UdpProxyHook
from translator.envoy.names import CLOSED
from translator.envoy.predicates import source
from translator.ir.l4 import L4Setting
from translator.ir.sources import EVERYWHERE, narrowest_first
from translator.objects.headgate.authorization import Authorization, AuthorizationRule


@dataclass(frozen=True, slots=True)
class ClientAddresses(L4Setting, SourceHook, UdpProxyHook):
    """Which clients are let in: the first rule that has their address decides.

    Attributes:
        rules: ranges of addresses, and whether clients of these are let in.
        default: whether all others are.
    """

    drops_datagrams: ClassVar[bool] = True
    rules: tuple[tuple[tuple[str, ...], bool], ...]
    default: bool

    def sources(self) -> Mapping[str, bool]:
        """Return whether clients of ranges of addresses are let in."""
        return narrowest_first(self.rules, self.default)

    def apply_to_udp_proxy(self, proxy: UdpProxyConfig) -> None:
        """Write the ``matcher``: a cluster without endpoints drops datagrams."""
        forwarded, dropped = Matcher.OnMatch(), Matcher.OnMatch()
        forwarded.matcher.CopyFrom(proxy.matcher)
        dropped.action.name = "dropped"
        dropped.action.typed_config.Pack(route_pb2.Route(cluster=CLOSED), deterministic=True)
        proxy.ClearField("matcher")
        for ranges, allow in self.rules:
            entry = proxy.matcher.matcher_list.matchers.add()
            entry.predicate.CopyFrom(source(ranges))
            entry.on_match.CopyFrom(forwarded if allow else dropped)
        proxy.matcher.on_no_match.CopyFrom(forwarded if self.default else dropped)


def connections(found: Authorization) -> tuple[L4Setting, ...]:
    """Return which clients are let in.

    What a rule asks for besides is never known: so a rule that allows by it allows nobody, and one that denies by it
    denies all clients of its ranges.
    """
    if found.disable is not None or found.shadow:
        return ()
    if found.policy is not None:
        return (ClientAddresses((), False),)
    rules = tuple(
        (_ranges(each), each.action == "Allow")
        for each in found.rules_ or ()
        if each.action == "Deny" or only_addresses(each)
    )
    return (ClientAddresses(rules, found.default_action == "Allow"),)


def only_addresses(rule: AuthorizationRule) -> bool:
    """Return whether a rule asks for nothing but the address of the client."""
    principal = rule.principal
    if rule.operation is not None or rule.cel is not None or principal is None:
        return False
    return principal.model_fields_set == {"client_cidrs"}


def _ranges(rule: AuthorizationRule) -> tuple[str, ...]:
    return (rule.principal.client_cidrs if rule.principal is not None else None) or EVERYWHERE


def connection_faults(found: Authorization) -> Iterator[str]:
    """Yield what asks for more than connections tell."""
    if found.policy is not None:
        yield ".policy asks for more than the address of the client, so nobody is let in: use rules with clientCIDRs"
    for place, rule in enumerate(found.rules_ or ()):
        if not only_addresses(rule):
            effect = "allows nobody" if rule.action == "Allow" else "denies all clients of its ranges"
            yield f".rules[{place}] asks for more than the address of the client, so it {effect}: use only clientCIDRs"
