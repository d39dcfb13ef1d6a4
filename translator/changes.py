"""The outputs that an evaluation changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from translator.conditions import Status
from translator.engine.query import QueryError
from translator.infrastructure.manifest import ProxyManifests
from translator.refs import Ref
from xds import Snapshot


@dataclass(slots=True)
class Changes:
    """The outputs that an evaluation changed.

    Attributes:
        snapshots: for each Gateway whose resources changed the new snapshot, None where it is gone.
        statuses: for each object whose status changed the new one, None where it has none any more.
        deployments: for each Gateway for which something else is to be deployed all of that, None where it is gone.
        classes_in_use: for each GatewayClass of ours whose use changed whether Gateways use it, None where it is gone.
        failures: bugs that were contained: what they hit keeps its last good value.
        client_snapshots: for each namespace whose gRPC clients get other resources their new snapshot, None where no
            client asks for any more.
    """

    snapshots: dict[Ref, Snapshot | None] = field(default_factory=dict)
    statuses: dict[Ref, Status | None] = field(default_factory=dict)
    deployments: dict[Ref, ProxyManifests | None] = field(default_factory=dict)
    classes_in_use: dict[Ref, bool | None] = field(default_factory=dict)
    failures: list[QueryError] = field(default_factory=list)
    client_snapshots: dict[str, Snapshot | None] = field(default_factory=dict)

    def merge(self, later: Changes) -> None:
        """Merge the changes of a later evaluation into these."""
        self.snapshots |= later.snapshots
        self.statuses |= later.statuses
        self.deployments |= later.deployments
        self.classes_in_use |= later.classes_in_use
        self.failures = later.failures
        self.client_snapshots |= later.client_snapshots
