"""Programmed rises only with the acknowledgement of what is published: for its generation, and for each listener."""

from __future__ import annotations

from typing import Any

from translator.inputs import AttributedNack, Edit, GatewaySyncStatus, Settings
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref
from translator.translator import Translator
from xds.protocol.nacks import Nack
from xds.resources.types import LISTENER

WEB = Ref("Gateway", "default", "web")


def gateway(generation: int, *ports: int) -> Edit:
    """Return a Gateway with a listener on each port."""
    manifest = {
        "metadata": {"namespace": "default", "name": "web", "generation": generation},
        "spec": {
            "gatewayClassName": "headgate",
            "listeners": [{"name": f"l{each}", "port": each, "protocol": "HTTP"} for each in ports],
        },
    }
    return Edit(WEB, Gateway.model_validate(manifest))


class Told:
    """A translator of one Gateway, and the sync status fed to it."""

    def __init__(self) -> None:
        self.translator = Translator(Settings())
        self.seen: list[tuple[str, int]] = []

    def edit(self, *edits: Edit) -> None:
        """Take objects."""
        self.translator.edit(edits)
        self.evaluate()

    def hear(self, clients: int = 1, all_acked: bool = True, snapshot: str | None = None, **more: Any) -> None:
        """Take what proxies say, of what is published if nothing else is said."""
        version = self.translator.snapshots[WEB].version if snapshot is None else snapshot
        self.translator.set_sync_status(WEB, GatewaySyncStatus(clients, all_acked, snapshot=version, **more))
        self.evaluate()

    def evaluate(self) -> None:
        """Evaluate, and notes each change that is told of the Gateway."""
        status = self.translator.evaluate().statuses.get(WEB)
        if status is not None:
            self.seen.append(self.programmed())

    def programmed(self, listener: str = "") -> tuple[str, int]:
        """Return the condition Programmed, and the generation that it is of."""
        status = self.translator.statuses[WEB]
        holders = {each["name"]: each for each in status["listeners"]} | {"": status}
        [found] = [each for each in holders[listener]["conditions"] if each["type"] == "Programmed"]
        return found["status"], found["observedGeneration"]


def accepted(told: Told) -> int:
    """Return the generation that Accepted is of."""
    return int(told.translator.statuses[WEB]["conditions"][0]["observedGeneration"])


def test_programmed_does_not_rise_before_the_ack() -> None:
    """A change is told as accepted at once, and as programmed once it is acknowledged; it is never pending between."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    assert told.programmed() == ("True", 1)
    told.seen.clear()
    told.edit(gateway(2, 80, 81))
    assert accepted(told) == 2
    assert told.programmed() == ("True", 1)
    assert told.programmed("l80") == ("True", 1)
    assert told.programmed("l81") == ("False", 2)
    told.hear(all_acked=False)
    assert told.translator.acknowledged.awaiting == {WEB}
    assert told.programmed() == ("True", 1)
    told.hear()
    assert told.programmed() == told.programmed("l80") == told.programmed("l81") == ("True", 2)
    assert told.seen == [("True", 1), ("True", 2)]
    assert not told.translator.acknowledged.awaiting


def test_what_changes_nothing_for_proxies_needs_no_ack() -> None:
    """A new generation of which the same comes is programmed at once."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    told.edit(gateway(2, 80))
    assert told.seen[-1] == ("True", 2)
    assert ("True", 1) in told.seen


def test_a_refusal_is_of_the_new_generation() -> None:
    """What is refused was never told to be programmed."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    told.seen.clear()
    told.edit(gateway(2, 80, 81))
    told.hear(nacks=(AttributedNack(Nack(LISTENER, "port-81", "in use")),))
    assert told.seen == [("True", 1), ("False", 2)]
    assert told.programmed("l80") == ("True", 2)
    assert told.programmed("l81") == ("False", 2)


def test_who_is_awaited_too_long_is_told_to_be_pending() -> None:
    """Once that is over, all is pending, though something is refused already; until all is answered."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    told.edit(gateway(2, 80, 81))
    told.hear(all_acked=False, nacks=(AttributedNack(Nack(LISTENER, "port-81", "in use")),))
    told.translator.acknowledged.overdue(WEB)
    told.evaluate()
    assert told.programmed() == told.programmed("l80") == told.programmed("l81") == ("False", 2)
    assert not told.translator.acknowledged.awaiting
    told.hear()
    assert told.programmed() == ("True", 2)
    told.translator.acknowledged.overdue(WEB)
    told.evaluate()
    assert told.programmed() == ("True", 2)


def test_an_ack_of_another_snapshot_proves_nothing() -> None:
    """What proxies acknowledge that is not what is published, as those of another replica, does not count."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear(snapshot="another")
    assert told.programmed() == ("False", 1)
    told.hear()
    told.edit(gateway(2, 80, 81))
    told.hear(snapshot="")
    assert told.programmed() == ("True", 1)
    told.translator.acknowledged.overdue(WEB)
    told.evaluate()
    assert told.programmed() == ("False", 2)


def test_only_what_ends_the_wait_for_acks_needs_an_evaluation() -> None:
    """While ACKs are awaited, an evaluation is due once all have arrived, or a proxy has gone, not before."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    told.edit(gateway(2, 80, 81))
    translator, version = told.translator, told.translator.snapshots[WEB].version
    assert translator.acknowledged.awaiting == {WEB}
    assert not translator.set_sync_status(WEB, GatewaySyncStatus(2, False, snapshot=version))
    assert not translator.set_sync_status(WEB, GatewaySyncStatus(1, False, snapshot=version))
    assert translator.set_sync_status(WEB, GatewaySyncStatus(1, True, snapshot=version))
    told.evaluate()
    assert told.programmed() == ("True", 2)
    assert not translator.set_sync_status(WEB, GatewaySyncStatus(1, True, snapshot=version))
    assert translator.set_sync_status(WEB, GatewaySyncStatus())


def test_a_connection_that_ends_is_told_at_once() -> None:
    """Without proxies there is nothing to wait for."""
    told = Told()
    told.edit(gateway(1, 80))
    told.hear()
    told.edit(gateway(2, 80, 81))
    told.translator.set_sync_status(WEB, GatewaySyncStatus())
    told.evaluate()
    assert told.programmed() == ("False", 2)
    assert not told.translator.acknowledged.awaiting
