"""Passwords, keys and secret texts that Secrets hold: their limits, and that nothing shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.credentials import KEY, TOKEN, line
from translator.extensions.api_key_auth import ApiKeys
from translator.extensions.basic_auth import BasicAuthentication
from translator.gateway.api_keys import MAX_KEY_BYTES, ApiKey
from translator.gateway.secrets import MAX_HEADER_BYTES
from translator.inputs import Edit, Settings
from translator.objects.headgate.credentials import MAX_CREDENTIALS, MAX_KEY_SOURCES, BasicAuth, KeySource
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator

GATEWAY_API = "gateway.networking.k8s.io"


def condition(unit: dict[str, Any], texts: dict[str, str], kind: str = "Accepted") -> tuple[str, str]:
    """Return the status and message of a condition of a policy with a unit, beside a Secret `s` with these texts."""
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": "web"}
    listeners = [{"name": "http", "protocol": "HTTP", "port": 8080}]
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
            "metadata": {"name": "p"},
            "spec": {"targetRefs": [target], **unit},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": texts},
    ]
    translator = Translator(Settings())
    for each in manifests:
        parsed = KINDS.parse(each)
        assert parsed.object is not None, parsed.problems
        translator.edit([Edit(parsed.object.ref, parsed.object)])
    assert not translator.evaluate().failures
    conditions = translator.statuses[Ref("TrafficPolicy", "default", "p")]["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == kind)
    return found["status"], found["message"]


def test_so_many_users() -> None:
    """A policy has so many users, of a Secret or its own."""
    unit = {"basicAuth": {"secretRef": {"name": "s", "key": "users"}}}
    lines = [line(f"user-{number}") for number in range(MAX_CREDENTIALS + 1)]
    assert condition(unit, {"users": "\n".join(lines[1:])})[0] == "True"
    status, message = condition(unit, {"users": "\n".join(lines)})
    assert status == "False"
    assert "has 1025 users, and 1024 are the most" in message


def test_so_many_keys() -> None:
    """A policy has so many keys."""
    unit = {"apiKeyAuth": {"secretRef": {"name": "s"}}}
    texts = {f"client-{number}": f"key-{number}" for number in range(MAX_CREDENTIALS + 1)}
    status, message = condition(unit, texts)
    assert status == "False"
    assert "there are 1025 keys, and 1024 are the most" in message
    del texts["client-0"]
    assert condition(unit, texts)[0] == "True"


def test_the_longest_key() -> None:
    """A key has so many characters."""
    unit = {"apiKeyAuth": {"secretRef": {"name": "s"}}}
    assert condition(unit, {"a": "x" * MAX_KEY_BYTES})[0] == "True"
    assert condition(unit, {"a": "x" * (MAX_KEY_BYTES + 1)})[0] == "False"


@pytest.mark.parametrize(
    "unit",
    [
        {"credentialInjection": {"secretRef": {"name": "s", "key": "a"}}},
        {"headerModifiers": {"request": {"set": [{"name": "x-a", "secretRef": {"name": "s", "key": "a"}}]}}},
    ],
)
def test_the_longest_text_of_a_header(unit: dict[str, Any]) -> None:
    """A secret text in a header has so many bytes."""
    assert condition(unit, {"a": "x" * MAX_HEADER_BYTES})[0] == "True"
    assert condition(unit, {"a": "x" * (MAX_HEADER_BYTES + 1)})[0] == "False"
    assert TOKEN not in condition(unit, {"a": f"{TOKEN}\n{TOKEN}"})[1]


def test_nothing_shows_them() -> None:
    """What represents users and keys in a trace shows neither passwords nor keys."""
    users = line("alice")
    shown = [
        repr(BasicAuthentication(users, "r")),
        repr(BasicAuth(users=(users,))),
        repr(ApiKey("mobile", KEY)),
        repr((ApiKey("mobile", KEY),)),
        repr(ApiKeys((ApiKey("mobile", KEY),), (KeySource(header="x-a"),))),
    ]
    assert not [each for each in shown if KEY in each or users.partition("}")[2] in each]


def test_so_many_places_of_keys() -> None:
    """A policy looks for keys in so many places."""
    sources = [{"header": f"x-{number}"} for number in range(MAX_KEY_SOURCES + 1)]
    spec = {"apiKeyAuth": {"secretRef": {"name": "s"}, "keySources": sources}}
    metadata = {"name": "p"}
    manifest = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": metadata}
    assert KINDS.parse({**manifest, "spec": spec}).object is None
    spec["apiKeyAuth"]["keySources"] = sources[1:]
    assert KINDS.parse({**manifest, "spec": spec}).object is not None
