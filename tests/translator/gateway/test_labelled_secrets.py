"""Secrets that policies select by labels, of a cluster: their metadata is known, and only those selected are read."""

from __future__ import annotations

from typing import Any

from translator.inputs import Edit, Settings, not_synced
from translator.objects.kubernetes.core import Secret, SecretMetadata
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator

GATEWAY_API = "gateway.networking.k8s.io"
POLICY = Ref("TrafficPolicy", "default", "p")


def world() -> Translator:
    """Return a translator of a cluster, with a Gateway and a policy for keys in Secrets with a label."""
    listeners = [{"name": "http", "protocol": "HTTP", "port": 8080}]
    unit = {"apiKeyAuth": {"secretSelector": {"matchLabels": {"keys": "shop"}}}}
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": "web"}
    manifests: list[dict[str, Any]] = [
        {
            "apiVersion": f"{GATEWAY_API}/v1",
            "kind": "Gateway",
            "metadata": {"name": "web"},
            "spec": {"gatewayClassName": "headgate", "listeners": listeners},
        },
        {
            "apiVersion": "gateway.headgate.dev/v1alpha1",
            "kind": "TrafficPolicy",
            "metadata": {"name": POLICY.name},
            "spec": {"targetRefs": [target], **unit},
        },
    ]
    translator = Translator(Settings(offline=True), on_demand=["Secret"])
    for each in manifests:
        found = KINDS.parse(each).object
        assert found is not None
        translator.edit([Edit(found.ref, found)])
    return translator


def metadata(name: str, labels: dict[str, str] | None) -> Edit:
    """Return what is known of a Secret that is not read; without labels, of none."""
    made = {"metadata": {"name": name, "labels": labels}}
    return Edit(Ref(SecretMetadata.kind, "default", name), SecretMetadata.model_validate(made) if labels else None)


def secret(name: str, **texts: str) -> Edit:
    """Return a Secret that is read."""
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": texts}
    found = KINDS.parse(raw).object
    assert isinstance(found, Secret)
    return Edit(found.ref, found)


def resolved(translator: Translator) -> str:
    """Return the status of ResolvedRefs of the policy; "" while it is not known."""
    assert translator.evaluate().failures == []
    status = translator.statuses.get(POLICY)
    conditions = status["ancestors"][0]["conditions"] if status else []
    return next((str(each["status"]) for each in conditions if each["type"] == "ResolvedRefs"), "")


def test_only_selected_secrets_are_read() -> None:
    """Of all Secrets those with the label are asked for; what is not asked for may go unread."""
    translator = world()
    translator.edit([metadata("a", {"keys": "shop"}), metadata("b", {"keys": "other"})])
    assert resolved(translator) == ""
    assert translator.referenced("Secret") == {Ref("Secret", "default", "a")}
    translator.edit([secret("a", mobile="key-of-mobile")])
    assert resolved(translator) == "True"
    translator.edit([metadata("b", {"keys": "shop"})])
    translator.evaluate()
    assert translator.referenced("Secret") == {Ref("Secret", "default", name) for name in "ab"}
    translator.edit([metadata("a", None), metadata("b", None), Edit(Ref("Secret", "default", "a"), None)])
    assert resolved(translator) == "False"
    assert translator.referenced("Secret") == frozenset()


def test_nothing_follows_before_secrets_are_listed() -> None:
    """Until all Secrets are listed nobody knows that none has the label: the policy has no status yet."""
    translator = world()
    translator.edit([not_synced("Secret", "", "not listed yet")])
    assert resolved(translator) == ""
    translator.edit([not_synced("Secret", "", "")])
    assert resolved(translator) == "False"
