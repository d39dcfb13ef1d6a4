"""Protection that children of other namespaces may switch off, for `headgate validate`."""

from __future__ import annotations

from collections.abc import Iterator

from translator.delegation.references import delegation
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.refs import Ref
from translator.registry import REGISTRY
from watchers.diagnostics import Diagnostic, Place
from watchers.files.store import FileStore


def delegated_protection(folder: FileStore) -> Iterator[Diagnostic]:
    """Yield a warning for each policy of a route that protects and is not enforced, where that delegates elsewhere.

    Whoever may write the children can end such a policy by `disable`, or replace it.
    """
    crossing = {ref: names for ref, names in _crossing(folder) if names}
    policies = [each for each in folder.objects.values() if isinstance(each, TrafficPolicy) and not each.spec.enforced]
    for policy in policies if crossing else ():
        fields = policy.spec.set_units() & REGISTRY.closed_units[TrafficPolicy.kind]
        for route in _targets(folder, policy, crossing) if fields else ():
            named = ", ".join(sorted(policy.spec.unit_info(each).alias or each for each in fields))
            where = ", ".join(crossing[route])
            text = (
                f"{named} protects {route}, whose children in other namespaces ({where}) may switch it off: set "
                "spec.enforced: true"
            )
            yield Diagnostic(folder.place(policy.ref) or Place("<nowhere>"), text, "warning", policy.ref)


def _crossing(folder: FileStore) -> Iterator[tuple[Ref, tuple[str, ...]]]:
    """Yield the routes with the namespaces of others that they delegate to."""
    for ref, found in folder.objects.items():
        if isinstance(found, HTTPRoute):
            said = (delegation(ref, each) for each in found.spec.rules)
            places = {each.children.namespace for one in said if one is not None for each in one.references}
            yield ref, tuple(sorted(each or "all" for each in places - {ref.namespace}))


def _targets(folder: FileStore, policy: TrafficPolicy, routes: dict[Ref, tuple[str, ...]]) -> Iterator[Ref]:
    """Yield those of some routes that a policy of their namespace is for."""
    named = {(each.kind, each.name) for each in policy.spec.target_refs}
    for route in routes:
        found = folder.get(route)
        if found is None or route.namespace != policy.ref.namespace:
            continue
        selected = (each for each in policy.spec.target_selectors if each.kind == HTTPRoute.kind)
        if (route.kind, route.name) in named or any(each.matches(found.metadata.labels) for each in selected):
            yield route
