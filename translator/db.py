"""The database as queries see it: typed reads, and none of what its owner may do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from translator.engine.database import Database
from translator.engine.query import declared_in
from translator.inputs import (
    ACKNOWLEDGED,
    APPLY_RESULT,
    DISCOVERY,
    INSTANCES,
    INVALID,
    MODULES,
    PROXY_DEFAULTS,
    REQUESTED,
    SYNC_STATUS,
    UNSERVED,
    AcknowledgedListeners,
    ApplyResult,
    GatewaySyncStatus,
    Invalid,
    ProxyDefaults,
    Settings,
)
from translator.ir.aws import FoundInstances, InstanceQuery
from translator.ir.modules import FetchedModule, FetchedSource
from translator.ir.oidc import Discovered
from translator.kinds import Registry
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref

T = TypeVar("T", bound=KubernetesObject)


class Db:
    """The first argument of every query: reads objects, queries and indexes.

    Attributes:
        database: the database, for its owner.
        registry: what is declared of kinds of objects.
        settings: the settings, which never change.
        input, read, read_each, select, count, has_several: those of the database.
    """

    def __init__(self, registry: Registry, settings: Settings, on_demand: Iterable[str] = ()) -> None:
        """Make an empty database with all indexes; of the kinds `on_demand` only what is read is fetched."""
        self.registry = registry
        self.settings = settings
        self.database = database = Database(declared_in(*registry.packages), on_demand, self, registry.kinds)
        # The methods themselves and no wrappers: queries call them hundreds of thousands of times.
        self.input, self.read, self.read_each = database.input, database.read, database.read_each
        self.select, self.count, self.has_several = database.select, database.count, database.has_several

    def get(self, kind: type[T], ref: Ref) -> T | None:
        """Read the object `ref`, which is of `kind` or of a class that derives from it; None if there is none."""
        found: T | None = self.input(ref.kind, ref)
        assert found is None or isinstance(found, kind)
        return found

    def sync_status(self, gateway: Ref) -> GatewaySyncStatus:
        """Read how far the configuration of `gateway` has come."""
        return self.input(SYNC_STATUS, gateway) or self.input(SYNC_STATUS, None) or GatewaySyncStatus()

    def acknowledged(self, listener_set: Ref) -> AcknowledgedListeners:
        """Read which listeners of a ListenerSet the proxies have acknowledged."""
        return self.input(ACKNOWLEDGED, listener_set) or AcknowledgedListeners()

    @property
    def proxy_defaults(self) -> ProxyDefaults:
        """Read what all proxies in the cluster are told."""
        return self.input(PROXY_DEFAULTS, None) or ProxyDefaults()

    def apply_result(self, gateway: Ref) -> ApplyResult:
        """Read what became of deploying the proxies of `gateway`."""
        return self.input(APPLY_RESULT, gateway) or ApplyResult()

    def is_served(self, kind: str) -> bool:
        """Read whether the cluster serves a kind: where it does not, there can be no such object."""
        return not self.input(UNSERVED, kind)

    def requested(self, namespace: Ref) -> frozenset[str]:
        """Read the names by which the gRPC clients of a namespace ask for Services."""
        requested: frozenset[str] = self.input(REQUESTED, namespace) or frozenset()
        return requested

    def invalid(self, ref: Ref) -> Invalid | None:
        """Read what is known of the object `ref`, which is there and cannot be read; None if there is no such one."""
        invalid: Invalid | None = self.input(INVALID, ref)
        return invalid

    def invalid_reason(self, ref: Ref) -> str:
        """Read why the object `ref`, which is there, cannot be read; "" if it can, or is not there."""
        invalid = self.invalid(ref)
        return invalid.reason if invalid is not None else ""

    def discovered(self, issuer: str) -> Discovered | None:
        """Read what is known of an OpenID issuer; None if nothing is yet."""
        found: Discovered | None = self.input(DISCOVERY, issuer)
        return found

    def instances(self, asked: InstanceQuery) -> FoundInstances | None:
        """Read what is known of instances of EC2; None if nothing is yet."""
        found: FoundInstances | None = self.input(INSTANCES, asked)
        return found

    def module(self, source: FetchedSource) -> FetchedModule | None:
        """Read what is known of a module that is fetched; None if nothing is yet."""
        found: FetchedModule | None = self.input(MODULES, source)
        return found
