"""What the filters of a Gateway need beside routes: parts of discovered filters, secrets, backends that they call."""

from __future__ import annotations

from collections.abc import Iterator

from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import Composite
from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_configs import FilterNeeds
from translator.envoy.http_filter import HttpFilter, extension_config
from translator.envoy.http_filters import WASM
from translator.envoy.secret import generic_secret
from translator.envoy.wasm import write_modules
from translator.extension import http_filters
from translator.gateway.modules import module_code
from translator.gateway.ports import gateway_ports
from translator.gateway.secrets import secret_value
from translator.ir.listener import HttpChain
from translator.ir.secret import GenericSecret
from translator.refs import Ref
from translator.resources.clusters import route_needs
from translator.resources.listener_filters import table_needs
from translator.resources.listeners import port_listener
from translator.resources.routes import table_stacks
from translator.routes.inherited import inherited_needs
from xds import Resource


def discovered_filters(db: Db) -> Iterator[HttpFilter]:
    """Yield the HTTP filters whose configurations are resources of their own."""
    return (each for each in http_filters(db) if each.discovered)


@query(firewall=True)
def gateway_needs(db: Db, gateway: Ref) -> FilterNeeds:
    """Return what the filters of a Gateway need, of its routes and of its listeners, each once and in one order."""
    found = [*route_needs(db, gateway), *_listener_needs(db, gateway)]
    backends = {backend for each in found for backend in each.backends}
    parts = {part for each in found for part in each.parts}
    secrets = {secret for each in found for secret in each.secrets}
    modules = {module for each in found for module in each.modules}
    return FilterNeeds(
        tuple(sorted(backends)), tuple(sorted(parts)), tuple(sorted(secrets)), modules=tuple(sorted(modules))
    )


def _listener_needs(db: Db, gateway: Ref) -> Iterator[FilterNeeds]:
    for port in gateway_ports(db, gateway):
        spec = port_listener(db, gateway, port)
        called = {backend for each in spec.all_settings for backend in each.backends} if spec else set()
        if called:
            secrets = {secret for each in called for setting in each.settings for secret in setting.secret_texts}
            yield FilterNeeds(tuple(sorted(called)), secrets=tuple(sorted(secrets)))
        chains = [each.chain for each in spec.chains if isinstance(each.chain, HttpChain)] if spec else []
        tables = {each.table for each in chains}
        for table in {each.table for each in chains if each.filtered}:
            yield from table_needs(db, table)
        stacks = dict.fromkeys(stack for table in tables for stack in table_stacks(db, table))
        yield from (inherited_needs(db, stack) for stack in stacks if stack)


@query
def extension_config_resource(db: Db, gateway: Ref, name: str) -> Resource | None:
    """Return the ``TypedExtensionConfig`` of a discovered filter for the proxies of a Gateway.

    It is always there, if need be with nothing in it, so that no listener waits for it.
    """
    config = next(each for each in discovered_filters(db) if each.name == name).config()
    for part in gateway_needs(db, gateway).parts:  # sorted by their keys
        if part.filter == name:
            config.MergeFromString(part.config)
    if name == WASM:
        assert isinstance(config, Composite)
        write_modules(
            config, {each.digest: module_code(db, each.source) for each in gateway_needs(db, gateway).modules}
        )
    return Resource.pack(extension_config(name, config))


@query
def generic_secret_resource(db: Db, secret: GenericSecret) -> Resource | None:
    """Return the ``Secret`` with a secret text; None if its Secret does not have it any more."""
    value = secret_value(db, secret)
    return Resource.pack(generic_secret(secret, value)) if value is not None else None
