"""Whether a table is served by scopes (`translator.ir.route_scope`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.db import Db
from translator.engine.query import index, query
from translator.gateway import attachment
from translator.gateway.listeners import table_listeners
from translator.ir.listener import RouteConfigKey, table_part
from translator.ir.route_scope import EVERY
from translator.objects.gateway_api.gateway import gateway_of
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.objects.headgate.trafficpolicy import TrafficPolicy, TrafficPolicySpec
from translator.refs import Ref

BY_PROXY: Final = ""
EXACT_TO_WILDCARD: Final = 32
"""So many exact hostnames a table has for each route of a wildcard, of which every scope has a copy."""


@query(firewall=True)
def is_scoped(db: Db, table: RouteConfigKey) -> bool:
    """Return whether a table of HTTP is served by scopes: it has many exact hostnames, and few routes for wildcards.

    Not if a request may get another Host once its scope is chosen, and its route be chosen anew by that: Envoy would
    look for it in the scope of before.
    """
    least = db.settings.scoped_hostnames
    if not least:
        return False
    everywhere = db.select(attachment.domains, table_part(table, EVERY))
    exact = db.count(attachment.domains, table) - len(everywhere)
    if exact < least:
        return False
    wildcard = sum(db.count(attachment.routes, (table, each)) for each in everywhere)
    return wildcard * EXACT_TO_WILDCARD <= exact + EXACT_TO_WILDCARD and not _changes_hosts(db, table)


@query(firewall=True)
def _changes_hosts(db: Db, table: RouteConfigKey) -> bool:
    namespaces = {gateway_of(table.gateway).namespace, *db.settings.policy_namespaces}
    namespaces.update(each.owner.namespace for each in db.select(table_listeners, table))
    namespaces.update(db.select(attachment.domains, attachment.NamespacesOfTable(table)))
    by_whom = {other for each in namespaces for other in db.select(changing_hosts, each)}
    return BY_PROXY in by_whom or any(db.count(choosing_anew, each) for each in by_whom)


def _namespace(_: Db, ref: Ref) -> tuple[str, ...]:
    return (ref.namespace,)


@index(TrafficPolicy.kind, partitions=_namespace, partition_of=str)
def changing_hosts(db: Db, policy: Ref) -> Iterator[tuple[str, str]]:
    """File by whom the policies of a namespace may have Hosts changed.

    That is the proxy, which follows redirects and runs code of users, or authorizers and processors: the namespaces of
    their extensions.
    """
    found = db.get(TrafficPolicy, policy)
    if found is None:
        return
    if found.spec.internal_redirect is not None or _has_code(db, found.spec):
        yield policy.namespace, BY_PROXY
    authorizers = found.spec.ext_auth
    named = [each.extension_ref for each in found.spec.ext_proc or ()]
    if authorizers is not None:
        named += [authorizers.extension_ref, *(authorizers.extension_refs or ())]
    for each in named:
        if each is not None:
            yield policy.namespace, each.namespace or policy.namespace


def _has_code(db: Db, spec: TrafficPolicySpec) -> bool:
    """Return whether a policy has code that runs in the proxy, and so may choose a route anew."""
    libraries = spec.dynamic_module and db.settings.dynamic_modules
    return bool((spec.lua and db.settings.allow_lua) or (spec.wasm and db.settings.allow_wasm) or libraries)


@index(GatewayExtension.kind, partitions=_namespace, partition_of=str)
def choosing_anew(db: Db, extension: Ref) -> Iterator[tuple[str, str]]:
    """File the services of a namespace that may have a route chosen anew after they have changed a request."""
    found = db.get(GatewayExtension, extension)
    if found is None:
        return
    authorizer, processor = found.spec.ext_auth, found.spec.ext_proc
    clears = authorizer is not None and authorizer.clear_route_cache
    if clears or (processor is not None and processor.route_cache_action not in (None, "Retain")):
        yield extension.namespace, extension.name
