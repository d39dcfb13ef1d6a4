"""Secrets by their labels, of which no more is read than what is selected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import index
from translator.objects.kubernetes.core import Secret, SecretMetadata
from translator.refs import Ref


class SecretLabel(NamedTuple):
    """A label of Secrets in a namespace."""

    namespace: str
    key: str
    value: str


@index(SecretMetadata.kind, partitions=lambda _, ref: (ref.namespace,), partition_of=attrgetter("namespace"))
def labelled_secrets(db: Db, ref: Ref) -> Iterator[tuple[SecretLabel, Ref]]:
    """File Secrets under each of their labels."""
    found: SecretMetadata | None = db.input(SecretMetadata.kind, ref)
    if found is not None:
        for key, value in found.metadata.labels.items():
            yield SecretLabel(ref.namespace, key, value), ref._replace(kind=Secret.kind)


def secrets_with(db: Db, namespace: str, labels: Mapping[str, str]) -> tuple[Ref, ...]:
    """Return the Secrets of a namespace that have all labels, of which there is one at least, sorted by name."""
    found = [db.select(labelled_secrets, SecretLabel(namespace, key, value)) for key, value in sorted(labels.items())]
    return tuple(sorted(set(found[0]).intersection(*found[1:])))
