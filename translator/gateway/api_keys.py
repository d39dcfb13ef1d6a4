"""API keys in Secrets: their data are keys, each under the name of its client. No key is in a message or repr."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.gateway.secrets import NOT_FOUND
from translator.objects.headgate.credentials import MAX_CREDENTIALS
from translator.objects.kubernetes.core import Secret
from translator.outcome import Outcome, Problem, not_resolved
from translator.refs import Ref

_KEY: Final = re.compile(rb"[\x21-\x7e]+")
"""What is the same in a header, a query and a cookie."""
MAX_KEY_BYTES: Final = 4096
"""The longest key."""


class ApiKey(NamedTuple):
    """A client and its key."""

    client: str
    key: str

    def __repr__(self) -> str:
        """Show the client only."""
        return f"ApiKey({self.client!r})"


class KeyFault(NamedTuple):
    """Why the keys of a Secret cannot be used, as a reason of a condition and a sentence."""

    reason: str
    text: str


Keys = tuple[ApiKey, ...]


@query(firewall=True)
def keys_of(db: Db, secret: Ref) -> Keys | KeyFault:
    """Return the keys in a Secret, sorted by clients; the fault if there are none, or one cannot be a key."""
    found = db.get(Secret, secret)
    if found is None:
        return KeyFault(NOT_FOUND, f"{secret} does not exist; create it with a key for each client.")
    if not found.data:
        return KeyFault(NOT_FOUND, f"{secret} has no data; add a key under the name of each client.")
    keys = []
    for client, value in sorted(found.data.items()):
        text = value.rstrip(b"\r\n")
        if not _KEY.fullmatch(text) or len(text) > MAX_KEY_BYTES:
            return KeyFault(
                "Invalid",
                f"{secret}: the key of {client} is empty, too long, or has blanks or other characters that are not "
                f"visible ASCII; up to {MAX_KEY_BYTES} visible characters are a key: change it.",
            )
        keys.append(ApiKey(client, text.decode()))
    return tuple(keys)


def united(db: Db, secrets: Iterable[Ref], field: str) -> Outcome[Keys | None]:
    """Return the keys of several Secrets; None if one has a fault, a key has two clients, or they are too many.

    Args:
        db: the database.
        secrets: the Secrets.
        field: the path of the reference, for messages.
    """
    clients: dict[str, tuple[str, Ref]] = {}
    for secret in secrets:
        found = keys_of(db, secret)
        if isinstance(found, KeyFault):
            condition = "Accepted" if found.reason == "Invalid" else "ResolvedRefs"
            return Outcome(None, (Problem(condition, found.reason, f"{field}: {found.text}"),))
        for each in found:
            client, where = clients.setdefault(each.key, (each.client, secret))
            if client != each.client:
                text = f"{field}: {client} of {where} and {each.client} of {secret} have the same key; change one."
                return Outcome(None, (Problem("Accepted", "Invalid", text),))
    if len(clients) > MAX_CREDENTIALS:
        text = f"{field}: there are {len(clients)} keys, and {MAX_CREDENTIALS} are the most; use extAuth for more."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    return Outcome(tuple(sorted(_keys(clients))))


def _keys(clients: dict[str, tuple[str, Ref]]) -> Iterator[ApiKey]:
    return (ApiKey(client, key) for key, (client, _) in clients.items())


def none_selected(namespace: str, field: str) -> Outcome[None]:
    """Return that a selector of Secrets selects none."""
    text = f"{field}: no Secret of the namespace {namespace} has these labels; label one, or correct the selector."
    return not_resolved(NOT_FOUND, text)
