"""Reactions of `headgate run` to the control plane: an Envoy runs for each Gateway, and conditions are logged."""

from __future__ import annotations

from pathlib import Path

from headgate.controlplane.events import Events
from headgate.envoy.bootstrap import bootstrap
from headgate.envoy.process import Launch
from headgate.envoy.state import StateDirectory
from headgate.envoy.supervisor import Fleet
from headgate.reporting.condition_log import MAX_LINES, log_changes
from headgate.reporting.conditions import ConditionChange
from headgate.reporting.fields import explained
from headgate.security.proxy_tokens import ProxyTokens
from translator.refs import Ref
from watchers.files.source import FileSource

INSTANCE = "local"
"""The last part of the node id of the Envoys that Headgate starts itself: there is one per Gateway."""


class RunEvents(Events):
    """Reacts to the events of a control plane on this machine.

    Args:
        source: the files, which have the places of objects.
        state: the directories of Envoys.
        tokens: by which Envoys are known.
        envoy: the Envoy to run for every Gateway; None to run none.

    Attributes:
        fleet: the running Envoys; None while there are none to run.
    """

    def __init__(self, source: FileSource, state: StateDirectory, tokens: ProxyTokens, envoy: Path | None) -> None:
        self._source = source
        self._state = state
        self._tokens = tokens
        self._envoy = envoy
        self.fleet: Fleet | None = None

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """Run an Envoy for each of these Gateways."""
        if self.fleet and self._envoy:
            self.fleet.want({each: self._launch(each, self._envoy) for each in gateways})

    def conditions_changed(self, changes: list[ConditionChange]) -> None:
        """Log changes of conditions, with hints about missing objects."""
        told = changes[:MAX_LINES]
        explained_texts = [each._replace(text=explained(self._source.store, each.text)) for each in told]
        log_changes([*explained_texts, *changes[MAX_LINES:]], self.place)

    def place(self, ref: Ref) -> str:
        """Return the place of an object: "file:line", or "" if it is in no file."""
        return str(self._source.store.place(ref) or "")

    def _launch(self, gateway: str, envoy: Path) -> Launch:
        """Return the launch of a Gateway's Envoy. It connects by a Unix socket, which no route can name."""
        state = self._state.gateway(gateway)
        xds, token = self._state.xds_socket, self._tokens.token(gateway)
        return Launch(state, envoy, bootstrap(gateway, INSTANCE, xds, state.admin_socket, token=token))
