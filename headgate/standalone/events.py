"""The event handlers of `headgate run`: run an Envoy for each Gateway, and log conditions."""

from __future__ import annotations

from pathlib import Path

from headgate.controlplane.discovery import Discovery
from headgate.controlplane.events import Events
from headgate.envoy.bootstrap import bootstrap
from headgate.envoy.process import Launch
from headgate.envoy.state import StateDirectory
from headgate.envoy.supervisor import Fleet
from headgate.reporting.condition_log import MAX_LINES, log_changes
from headgate.reporting.conditions import ConditionChange
from headgate.reporting.fields import explained
from headgate.security.proxy_tokens import ProxyTokens
from headgate.standalone.firewall import LocalFirewall
from translator.refs import Ref
from translator.translator import Changes
from watchers.files.source import FileSource

INSTANCE = "local"
"""The last part of the node id of Envoys that Headgate starts: one per Gateway."""


class RunEvents(Events):
    """Handles the events of a control plane on this machine.

    Args:
        source: the files; has the places of objects.
        state: the state directories of Envoys.
        tokens: the tokens that authenticate Envoys.
        envoy: the Envoy to run for every Gateway; None to run none.
        discovery: fetches what the translator asks for, such as the metadata of OpenID issuers.
        descriptors: how many file descriptors each of them may have; None if that is not known.
        zone: the zone of this machine; "" if it has none.
        firewall: the web application firewall that is run for policies; None to run none.

    Attributes:
        fleet: the supervised Envoys; None before the start, and with `--no-envoy`.
    """

    def __init__(
        self,
        source: FileSource,
        state: StateDirectory,
        tokens: ProxyTokens,
        envoy: Path | None,
        discovery: Discovery,
        descriptors: int | None = None,
        zone: str = "",
        firewall: LocalFirewall | None = None,
    ) -> None:
        self._source = source
        self._state = state
        self._tokens = tokens
        self._envoy = envoy
        self._discovery = discovery
        self._descriptors = descriptors
        self._zone = zone
        self._firewall = firewall
        self.fleet: Fleet | None = None

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """Run an Envoy for each of these Gateways, and no others."""
        if self.fleet and self._envoy:
            self.fleet.want({each: self._launch(each, self._envoy) for each in gateways})

    def conditions_changed(self, changes: list[ConditionChange]) -> None:
        """Log the changes of conditions, with hints about missing objects."""
        logged = changes[:MAX_LINES]
        explained_changes = [each._replace(text=explained(self._source.store, each.text)) for each in logged]
        log_changes([*explained_changes, *changes[MAX_LINES:]], self.place)

    def evaluated(self, changes: Changes) -> None:
        """Fetch what the evaluation asked for, and run what it needs."""
        self._discovery.evaluated()
        if self._firewall is not None:
            self._firewall.evaluated(changes)

    def place(self, ref: Ref) -> str:
        """Return the place of an object: "file:line", or "" if it is in no file."""
        return str(self._source.store.place(ref) or "")

    def _launch(self, gateway: str, envoy: Path) -> Launch:
        """Return the launch of a Gateway's Envoy, which connects by a Unix socket: no route can lead there."""
        state = self._state.gateway(gateway)
        xds, token = self._state.xds_socket, self._tokens.token(gateway)
        made = bootstrap(
            gateway, INSTANCE, xds, state.admin_socket, token=token, descriptors=self._descriptors, zone=self._zone
        )
        return Launch(state, envoy, made, descriptors=self._descriptors)
