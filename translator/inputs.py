"""What a source of objects hands to the translator: one object as it is now, or the word that it is gone."""

from typing import Final, NamedTuple

from translator.objects.partial import Sketch
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref


class Refused(NamedTuple):
    """An object that is there and cannot be read, since what it holds is not valid. What it last was stays in force.

    Attributes:
        why: the problems, in words for those who refer to it.
        seen: what can be seen of it all the same.
    """

    why: str
    seen: Sketch = Sketch()


class Edit(NamedTuple):
    """One object's new state; of several edits of the same object only the last one counts.

    Attributes:
        ref: the object's identity.
        object: the whole object as it is now, None when it is gone, `Refused` when it cannot be read.
    """

    ref: Ref
    object: KubernetesObject | Refused | None


UNREAD: Final = "Unread"


def unread(kind: str, namespace: str, why: str) -> Edit:
    """Tell that the objects of a kind could not be read so far: it is not known which there are, or whether any are.

    What depends on them is neither made anew nor taken away until that is known.

    Args:
        kind: the kind.
        namespace: the namespace whose objects they are; "" for all.
        why: the reason; "" once they have been read, in the same batch as they or a later one.
    """
    return Edit(Ref(UNREAD, namespace, kind), Refused(why) if why else None)
