"""What is known of the objects of kinds of which only referenced ones are read."""

from __future__ import annotations

from translator.inputs import Edit
from translator.objects.kubernetes.core import ConfigMap, Secret, SecretMetadata
from translator.refs import Ref
from watchers.informers.list_watch import ObjectChange
from watchers.informers.on_demand import metadata_edits


def change(name: str, labels: dict[str, str] | None, *, there: bool = True) -> ObjectChange:
    """Return a change of a Secret, as its metadata are watched."""
    metadata = {"name": name, "namespace": "shop", "resourceVersion": "7", **({"labels": labels} if labels else {})}
    return ObjectChange(Ref("Secret", "shop", name), {"metadata": metadata} if there else None)


def test_labels_of_all_secrets_are_told() -> None:
    """Of each Secret with labels these are told, and that there are none when they, or the Secret, are gone."""
    changes = [change("a", {"keys": "shop"}), change("b", None), change("c", {"x": "y"}, there=False)]
    labelled, without, gone = metadata_edits(Secret, changes)
    assert labelled.ref == Ref(SecretMetadata.kind, "shop", "a")
    assert isinstance(labelled.object, SecretMetadata)
    assert labelled.object.metadata.labels == {"keys": "shop"}
    assert [without, gone] == [Edit(Ref(SecretMetadata.kind, "shop", name), None) for name in "bc"]


def test_nothing_is_selected_of_other_kinds() -> None:
    """No policy selects ConfigMaps: their labels are not told."""
    assert [*metadata_edits(ConfigMap, [change("a", {"keys": "shop"})])] == []
