"""Events of the control plane, to which `headgate run` and `headgate controller` react each in its own way."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.reporting.conditions import ConditionChange
from translator.refs import Ref
from translator.translator import Changes


class Events:
    """Reactions to what the control plane does; this class reacts to nothing.

    All methods are called on the event loop, in the task that evaluates or in the one that takes edits.
    """

    def edited(self, refs: Iterable[Ref]) -> None:
        """React to a batch of edits that the translator has taken; nothing is evaluated of it yet."""

    def is_complete(self) -> bool:
        """Return whether all objects are there that an evaluation referenced, as far as is known.

        If not, the translator has been given more to evaluate, and all is evaluated again before anything is published.
        """
        return True

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """React to a change of the keys of all Gateways that have something to serve."""

    def conditions_changed(self, changes: list[ConditionChange]) -> None:
        """React to the changes of conditions that an evaluation brought, which may be none."""

    def evaluated(self, changes: Changes) -> None:
        """React to the changes that an evaluation brought, once they are published."""
