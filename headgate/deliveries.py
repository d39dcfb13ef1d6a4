"""How far each Gateway's configuration has come with the proxies of all replicas together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from headgate.controlplane import gateway_of, key_of
from translator.db import Rejection
from translator.outputs import Delivery
from translator.refs import Ref

#: Of what proxies refuse, so much is told to other replicas: it is for people to read.
MOST_REJECTIONS, MOST_CHARACTERS = 5, 500


def say(deliveries: Mapping[Ref, Delivery]) -> dict[str, Any]:
    """Puts the deliveries of Gateways that have proxies into what `hear` reads."""
    return {
        key_of(gateway): [each.clients, each.current, _refused(each.rejections)]
        for gateway, each in deliveries.items()
        if each.clients
    }


def _refused(rejections: Iterable[Rejection]) -> list[list[str]]:
    return [[each.type_url, each.name, each.message[:MOST_CHARACTERS]] for each in islice(rejections, MOST_REJECTIONS)]


def hear(words: Mapping[str, Any]) -> dict[Ref, Delivery]:
    """Reads what another replica says; what is not understood is as if it were not said."""
    found: dict[Ref, Delivery] = {}
    for key, value in words.items():
        match value:
            case [int(clients), bool(current), list(rejections)]:
                refused = tuple(Rejection(*map(str, each)) for each in rejections if len(each) == 3)
                found[gateway_of(key)] = Delivery(clients, current, refused)
    return found


def together(parts: Iterable[Delivery]) -> Delivery:
    """Adds up what several replicas know of one Gateway: it is current if it is with everyone who has proxies."""
    known = [each for each in parts if each.clients]
    rejections = dict.fromkeys(rejection for each in known for rejection in each.rejections)
    current = bool(known) and all(each.current for each in known)
    return Delivery(sum(each.clients for each in known), current, tuple(rejections))
