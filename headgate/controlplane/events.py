"""Events of the control plane, which `headgate run` and `headgate controller` handle in different ways."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.reporting.conditions import ConditionChange
from translator.refs import Ref
from translator.translator import Changes


class Events:
    """Handlers of events of the control plane; those of this class do nothing.

    All methods run on the event loop, in the task that evaluates or in the one that takes edits.
    """

    def edited(self, refs: Iterable[Ref]) -> None:
        """Handle a batch of edits that the translator has taken, but not evaluated yet."""

    def fetch_referenced(self) -> bool:
        """Return whether the translator has all known objects that the evaluation referenced.

        If not, this has added inputs to the translator, which the evaluator evaluates before it publishes.
        """
        return True

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """Handle a change of the set of served Gateways; takes the keys of all of them."""

    def conditions_changed(self, changes: list[ConditionChange]) -> None:
        """Handle the condition changes of an evaluation; there may be none."""

    def evaluated(self, changes: Changes) -> None:
        """Handle the changes of an evaluation, once they are published."""
