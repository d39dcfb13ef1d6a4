"""The translator's inputs besides objects, each of which requests an evaluation if there is something to evaluate."""

from __future__ import annotations

import asyncio

from translator.inputs import ApplyResult, GatewaySyncStatus, ProxyDefaults
from translator.ir.aws import FoundInstances, InstanceQuery
from translator.ir.modules import FetchedModule, FetchedSource
from translator.ir.oidc import Discovered
from translator.refs import Ref
from translator.translator import Translator


class Inputs:
    """Sets the inputs of a translator besides objects, and requests an evaluation for each.

    Attributes:
        translator: the translator.
        changed: set while an evaluation is due; the evaluator clears it.
    """

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.changed = asyncio.Event()

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Set the sync status of a Gateway's proxies."""
        if self.translator.set_sync_status(gateway, status):
            self.changed.set()

    def set_overdue(self, gateway: Ref) -> None:
        """Set that the ACKs of a Gateway's proxies are overdue."""
        self.translator.acknowledged.overdue(gateway)
        self.changed.set()

    def set_reconnecting(self, reconnecting: bool) -> None:
        """Set whether disconnected proxies may be about to reconnect, as after a start."""
        self.translator.set_reconnecting(reconnecting)
        self.changed.set()

    def set_apply_result(self, gateway: Ref, result: ApplyResult | None) -> None:
        """Set the result of applying a Gateway's proxy manifests, or of starting its Envoy; None for success."""
        self.translator.set_apply_result(gateway, result)
        self.changed.set()

    def set_requested(self, namespace: str, names: frozenset[str]) -> None:
        """Set the names by which the gRPC clients of a namespace ask for Services."""
        self.translator.set_requested(namespace, names)
        self.changed.set()

    def set_proxy_defaults(self, defaults: ProxyDefaults) -> None:
        """Set the defaults of all proxies in the cluster, such as a new CA certificate."""
        self.translator.set_proxy_defaults(defaults)
        self.changed.set()

    def set_discovered(self, issuer: str, found: Discovered | None) -> None:
        """Set the result of the discovery of an OpenID issuer; None if there is none any more."""
        self.translator.set_discovered(issuer, found)
        self.changed.set()

    def set_discovery_synced(self) -> None:
        """Set that an OpenID issuer without a result is not known."""
        self.translator.set_discovery_synced(True)
        self.changed.set()

    def set_instances(self, asked: InstanceQuery, found: FoundInstances | None) -> None:
        """Set what is known of instances of EC2; None if nothing is any more."""
        self.translator.set_instances(asked, found)
        self.changed.set()

    def set_instances_synced(self) -> None:
        """Set that nothing is known of a query of instances without a result."""
        self.translator.set_instances_synced(True)
        self.changed.set()

    def set_module(self, source: FetchedSource, found: FetchedModule | None) -> None:
        """Set what is known of a module; None if nothing is any more."""
        self.translator.set_module(source, found)
        self.changed.set()

    def set_modules_synced(self) -> None:
        """Set that nothing is known of a module without a result."""
        self.translator.set_modules_synced(True)
        self.changed.set()
