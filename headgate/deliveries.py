"""How far each Gateway's configuration has come with the proxies of all replicas together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from translator.db import Rejection
from translator.outputs import Delivery

Word = list[object]
"""What is said of a Gateway, in a form that JSON can hold."""

#: Of what proxies refuse, so much is told to other replicas: it is for people to read.
MOST_REJECTIONS, MOST_CHARACTERS = 5, 500


def say(delivery: Delivery) -> Word | None:
    """Puts what is known of a Gateway's proxies into what `hear` reads; None if there are no proxies."""
    if not delivery.clients:
        return None
    refused = islice(delivery.rejections, MOST_REJECTIONS)
    return [
        delivery.clients,
        delivery.current,
        [[each.type_url, each.name, each.message[:MOST_CHARACTERS]] for each in refused],
    ]


def hear(word: object) -> Delivery:
    """Reads what another replica says of a Gateway; what is not understood is as if it were not said."""
    match word:
        case [int(clients), bool(current), list(rejections)]:
            refused = tuple(
                Rejection(*map(str, each)) for each in rejections if isinstance(each, list) and len(each) == 3
            )
            return Delivery(clients, current, refused)
    return Delivery()


def together(parts: Iterable[Delivery]) -> Delivery:
    """Adds up what several replicas know of one Gateway: it is current if it is with everyone who has proxies."""
    known = [each for each in parts if each.clients]
    rejections = dict.fromkeys(rejection for each in known for rejection in each.rejections)
    current = bool(known) and all(each.current for each in known)
    return Delivery(sum(each.clients for each in known), current, tuple(rejections))
