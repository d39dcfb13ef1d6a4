"""What a source of objects hands to the translator: one object as it is now, or the word that it is gone."""

from typing import NamedTuple

from translator.objects.base import KubernetesObject
from translator.refs import Ref


class Edit(NamedTuple):
    """One object's new state; of several edits of the same object only the last one counts.

    Attributes:
        ref: the object's identity.
        object: the whole object as it is now, or None when it is gone.
    """

    ref: Ref
    object: KubernetesObject | None
