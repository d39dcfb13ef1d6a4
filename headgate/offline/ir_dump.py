"""The IR as JSON values, for `headgate translate --to ir`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from translator.db import Db
from translator.gateway.attachment import domains
from translator.gateway.attachment import routes as routes_of
from translator.gateway.ports import gateway_ports
from translator.inputs import INVALID, Edit, Invalid, Settings
from translator.ir.backend import BackendSetting
from translator.ir.http import RuleSetting
from translator.ir.listener import HttpChain, PortListener, RouteConfigKey
from translator.objects.gateway_api.gateway import Gateway, gateway_of, key_of
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.resources.listeners import l4_chain, port_listener
from translator.routes.rules import rules


class Ir:
    """The IR of objects, evaluated on demand."""

    def __init__(self, edits: Iterable[Edit], settings: Settings) -> None:
        """Set the objects, given by the edits that create them, and the settings of the translation."""
        self._db = Db(REGISTRY, settings)
        self._database = self._db.database
        for ref, found in edits:
            self._database.set(INVALID if isinstance(found, Invalid) else ref.kind, ref, found)

    @property
    def gateways(self) -> list[str]:
        """The "namespace/name" of each Gateway that serves something."""
        return [key_of(ref) for ref in sorted(self._database.inputs(Gateway.kind)) if self._listeners(ref)]

    def of(self, gateway: str) -> dict[str, Any]:
        """Return a Gateway's IR: its listeners, its routes by route table and domain, and the rules of each route."""
        found = self._listeners(gateway_of(gateway))
        chains = [each.chain for listener in found for each in listener.chains]
        tables = list(dict.fromkeys(each.table for each in chains if isinstance(each, HttpChain)))
        by_domain = {table: self._domains(table) for table in tables}
        refs = dict.fromkeys(ref for each in by_domain.values() for routes in each.values() for ref in routes)
        return {
            "listeners": [self._listener(each) for each in found],
            "tables": [
                {**plain(table), "domains": {domain or "*": [*map(str, refs)] for domain, refs in each.items()}}
                for table, each in by_domain.items()
            ],
            "routes": {str(ref): [plain(each.value) for each in rules(self._db, ref)] for ref in refs},
        }

    def _listener(self, listener: PortListener) -> dict[str, Any]:
        """Return a listener, with the backends of its route if that is of datagrams, which have no filter chains."""
        shown: dict[str, Any] = plain(listener)
        if listener.port.protocol == "UDP":
            table = RouteConfigKey(listener.gateway, listener.port.number, protocol="UDP")
            shown["datagrams"] = plain(l4_chain(self._db, table, ""))
        return shown

    def _listeners(self, gateway: Ref) -> list[PortListener]:
        ports = gateway_ports(self._db, gateway)
        return [found for port in ports if (found := port_listener(self._db, gateway, port)) is not None]

    def _domains(self, table: RouteConfigKey) -> dict[str, list[Ref]]:
        return {
            domain: [each.route for each in self._db.select(routes_of, (table, domain))]
            for domain in self._db.select(domains, table)
        }


def plain(value: Any) -> Any:
    """Convert a value of the IR to dicts, lists, strings and numbers; leave out empty values."""
    if hasattr(value, "__dataclass_fields__"):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, (RuleSetting, BackendSetting)):
            fields = {"setting": type(value).__name__, **fields}
        return {name: each for name, each in fields.items() if each not in _EMPTY}
    if as_dict := getattr(value, "_asdict", None):
        return {name: plain(each) for name, each in as_dict().items() if each not in _EMPTY}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (str, int, float, type(None))):
        return value
    return [plain(each) for each in value] if isinstance(value, Iterable) else str(value)


_EMPTY: tuple[Any, ...] = (None, "", [], {})
