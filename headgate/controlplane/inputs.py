"""Inputs of the translator besides objects."""

from __future__ import annotations

import asyncio

from translator.inputs import ApplyResult, GatewaySyncStatus, ProxyDefaults
from translator.refs import Ref
from translator.translator import Translator


class Inputs:
    """The inputs of a translator besides objects: each that is set requests an evaluation.

    Attributes:
        translator: the translator.
        changed: set while there is something to evaluate; the evaluator clears it.
    """

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.changed = asyncio.Event()

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Set what the proxies of a Gateway have acknowledged."""
        self.translator.set_sync_status(gateway, status)
        self.changed.set()

    def set_overdue(self, gateway: Ref) -> None:
        """Note that the proxies of a Gateway have not acknowledged its configuration in time."""
        self.translator.acknowledged.overdue(gateway)
        self.changed.set()

    def set_reconnecting(self, reconnecting: bool) -> None:
        """Set whether disconnected proxies may be about to reconnect, as after a start."""
        self.translator.set_reconnecting(reconnecting)
        self.changed.set()

    def set_apply_result(self, gateway: Ref, result: ApplyResult | None) -> None:
        """Set the result of applying a Gateway's proxy manifests, or of starting its Envoy; None if all went well."""
        self.translator.set_apply_result(gateway, result)
        self.changed.set()

    def set_proxy_defaults(self, defaults: ProxyDefaults) -> None:
        """Set the defaults of all proxies in the cluster, such as a new CA certificate."""
        self.translator.set_proxy_defaults(defaults)
        self.changed.set()
