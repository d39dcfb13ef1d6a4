"""What policies give Envoy's routes: configurations of filters, and metadata that says which policies these are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from google.protobuf.struct_pb2 import Struct

from headgate_proto.envoy.config.core.v3.base_pb2 import Metadata
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost, WeightedCluster
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.api_group import GROUP
from translator.envoy.filter_configs import NO_NEEDS, FilterConfigs, FilterNeeds, switched_off, write
from translator.envoy.hooks import RouteConfigurationHook, RouteHook, VirtualHostHook, WeightedClusterHook
from translator.envoy.http_filters import AGENTS
from translator.ir.http import RouteMatch, Rule, RuleSetting
from translator.ir.listener import ListenerContext, ListenerSetting
from xds import Reference

PolicyNames = tuple[tuple[str, tuple[str, ...]], ...]
"""By the names of units, as users write them, the policies that they are of: ``namespace/name``."""


@dataclass(frozen=True, slots=True)
class RoutePolicies(RuleSetting, RouteHook, WeightedClusterHook):
    """What policies give a rule, or one of its backends, that it does not inherit in Envoy.

    Attributes:
        configs: the configurations of filters.
        policies: the policies of all units that the rule writes, those that are no filters too.
        held_bytes: how many bytes of a body filters hold.
        needs: what the filters need beside.
        route: the namespace and name of the route and the name of its rule, if filters have to know them.
    """

    before_errors: ClassVar[bool] = True
    configs: FilterConfigs
    policies: PolicyNames = ()
    held_bytes: int = 0
    needs: FilterNeeds = NO_NEEDS
    route: tuple[str, str] | None = None

    @property
    def proxyless_fault(self) -> str:
        """All that is a filter: such clients run none of them."""
        names = ", ".join(sorted({name for _, policies in self.policies for name in policies}))
        what = f"the policy {names}" if names else "a filter that asks a service"
        return f": {what} is not supported" if self.configs else ""

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of a body filters hold."""
        return self.held_bytes

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the configurations and the metadata."""
        write(route.typed_per_filter_config, self.configs)
        _name(route.metadata, self.policies, self.route)

    def apply_to_weighted_cluster(self, cluster_weight: WeightedCluster.ClusterWeight) -> None:
        """Write the configurations."""
        write(cluster_weight.typed_per_filter_config, self.configs)


def agents_are_checked(rule: Rule) -> bool | None:
    """Return whether policies have a rule run checks of agents; None where it has what it inherits."""
    found = dict(each for setting in rule.settings if isinstance(setting, RoutePolicies) for each in setting.configs)
    off = dict(switched_off((AGENTS,)))
    return found[AGENTS] != off[AGENTS] if AGENTS in found else None


@dataclass(frozen=True, slots=True)
class InheritedPolicies(ListenerSetting, RouteConfigurationHook, VirtualHostHook):
    """What all routes of a listener inherit of policies.

    Attributes:
        configs: the configurations of filters.
        policies: the policies of all units that routes inherit.
        held_bytes: how many bytes of a body filters hold.
        needs: what the filters need beside.
    """

    configs: FilterConfigs
    policies: PolicyNames = ()
    held_bytes: int = 0
    needs: FilterNeeds = NO_NEEDS

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of a body filters hold."""
        return self.held_bytes

    def apply_to_route_configuration(self, configuration: RouteConfiguration) -> None:
        """Write what all routes of a table inherit."""
        write(configuration.typed_per_filter_config, self.configs)
        _name(configuration.metadata, self.policies)

    def apply_to_virtual_host(self, host: VirtualHost) -> None:
        """Write what all routes of a domain inherit."""
        write(host.typed_per_filter_config, self.configs)
        _name(host.metadata, self.policies)


def filter_needs(rule: Rule) -> Iterator[FilterNeeds]:
    """Yield what the filters need that policies configure for a rule, and for its backends."""
    if not rule.error:
        settings = (*rule.settings, *(setting for each in rule.backends for setting in each.settings))
        yield from (each.needs for each in settings if isinstance(each, RoutePolicies) and each.needs != NO_NEEDS)


def inherited_references(settings: Iterable[object]) -> frozenset[Reference]:
    """Return what routes refer to by what they inherit of these settings."""
    found = (each.needs.references for each in settings if isinstance(each, InheritedPolicies))
    return frozenset[Reference]().union(*found)


def _name(metadata: Metadata, policies: PolicyNames, route: tuple[str, str] | None = None) -> None:
    """Write which policies the units are of, for access logs and those who read the configuration; and the route."""
    if policies or route:
        found = Struct()
        if policies:
            found.update({"policies": {unit: list(names) for unit, names in policies}})
        if route:
            found.update(dict(zip(("route", "rule"), route, strict=True)))
        metadata.filter_metadata[GROUP].CopyFrom(found)
