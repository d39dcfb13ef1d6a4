"""Programmed: only what the proxies have acknowledged counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from translator.conditions import Condition, bounded
from translator.db import Db, Rejection
from translator.envoy.names import port_of
from translator.query import query
from translator.refs import Ref

DONE = Condition("Programmed", "True", "Programmed", "All proxies have acknowledged the configuration.")
UNASKED = Condition("Programmed", "True", "Programmed", "The configuration is valid; no proxies were asked.")
WAITING = Condition("Programmed", "False", "Pending", "The proxies have not acknowledged the configuration yet.")
NO_PROXY = Condition("Programmed", "False", "Pending", "No proxy is connected.")

ADVICE = {
    "Permission denied": "Ports below 1024 need a privilege: choose a port from 1024 up, run as root, or give Envoy "
    "the capability with `setcap cap_net_bind_service=+ep`.",
    "Address already in use": "Another program has the port: stop it (`ss -ltnp` shows it), or choose another port.",
    "Cannot assign requested address": "The address is not one of this machine's: correct spec.addresses.",
}
"""What to do about the errors of binding that Envoy reports, by the words of the operating system."""


@dataclass(frozen=True, slots=True)
class Programming:
    """The condition Programmed of a Gateway, of its ports where something was refused, and of its other ports."""

    gateway: Condition
    ports: Mapping[int, Condition]
    others: Condition


@query
def programming(db: Db, gateway: Ref) -> Programming:
    """How far the configuration of a Gateway has come; without proxies to ask, what is valid counts as programmed."""
    if db.settings.offline:
        return Programming(UNASKED, {}, UNASKED)
    delivery = db.delivery(gateway)
    if not delivery.clients:
        return Programming(NO_PROXY, {}, NO_PROXY)
    others = DONE if delivery.current or delivery.rejections else WAITING
    if not delivery.rejections:
        return Programming(others, {}, others)
    ports: dict[int, list[Rejection]] = {}
    for each in delivery.rejections:
        port = port_of(each.name.partition("/")[0])
        if port is not None:
            ports.setdefault(port, []).append(each)
    return Programming(
        _refusal(delivery.rejections), {port: _refusal(tuple(found)) for port, found in ports.items()}, others
    )


def _refusal(rejections: tuple[Rejection, ...]) -> Condition:
    text = bounded([f"A proxy refused {each.name or each.type_url}: {each.message}" for each in rejections], 4096)
    advice = next((way for words, way in ADVICE.items() if words in text), "")
    reason = "AddressNotUsable" if advice else "Invalid"
    return Condition("Programmed", "False", reason, f"{advice} {text}".strip())
