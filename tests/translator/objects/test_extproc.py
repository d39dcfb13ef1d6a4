"""The unit `extProc` and the GatewayExtensions with it: what they take, and what more than one policy makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.extproc import MOST_PROCESSORS
from translator.objects.headgate.trafficpolicy import TrafficPolicySpec
from translator.policies.merging import Contribution, merge
from translator.refs import Ref
from translator.registry import KINDS

FIELD = TrafficPolicySpec.model_fields["ext_proc"]
TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]


def entry(name: str = "", **fields: Any) -> dict[str, Any]:
    """Return an entry with an extension."""
    return {**({"name": name} if name else {}), "extensionRef": {"name": "one"}, **fields}


def parsed(kind: str, spec: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return an object of a kind, and what is wrong with it."""
    found = KINDS.parse(
        {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    )
    return found.object, [str(each) for each in found.problems]


def policy(*entries: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return a policy with processors."""
    return parsed("TrafficPolicy", {"targetRefs": TARGETS, "extProc": list(entries)})


def provider(**fields: Any) -> tuple[Any, list[str]]:
    """Return an extension with a processor."""
    service = {"backendRef": {"name": "one", "port": 80}}
    return parsed("GatewayExtension", {"extProc": {"grpcService": service, **fields}})


def effective(*lists: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Return the names that are effective, and whether they are switched off, of lists with growing specificity."""
    policies = [policy(*each)[0] for each in lists]
    found = merge(
        (Contribution(level, Ref("TrafficPolicy", "a", str(level)), each.spec.ext_proc)
         for level, each in enumerate(policies)),
        FIELD,
    )  # fmt: skip
    return [(each.name, each.disable is not None) for each in found.value]


def test_the_most_processors() -> None:
    """A policy has eight."""
    names = [f"p{number}" for number in range(MOST_PROCESSORS + 1)]
    assert policy(*map(entry, names[:-1]))[1] == []
    assert "extProc" in policy(*map(entry, names))[1][0]


def test_the_longest_timeout() -> None:
    """Envoy takes timeouts of up to an hour."""
    for field in ("messageTimeout", "maxMessageTimeout"):
        assert provider(**{field: "1h"})[1] == []
        assert "must be at most 1h" in provider(**{field: "1h1ms"})[1][0]


def test_names_are_unique() -> None:
    """No two entries have one name, and one at most has none."""
    assert policy(entry("a"), entry())[1] == []
    for twice in ([entry("a"), entry("a")], [entry(), entry()], [entry(), {"disable": {}}]):
        assert "extProc[1].name: is that of an earlier processor" in policy(*twice)[1][0]


def test_an_entry_asks_or_is_switched_off() -> None:
    """An entry has either an extension or `disable`, and beside that nothing but its name."""
    assert policy({"name": "a", "disable": {}})[1] == []
    assert policy({"name": "a"})[1]
    assert policy(entry("a", disable={}))[1]
    assert policy({"name": "a", "disable": {}, "failOpen": True})[1]


@pytest.mark.parametrize("side", ["request", "response"])
def test_trailers_of_bodies_in_both_directions(side: str) -> None:
    """A body in both directions needs the trailers: Envoy would refuse all that is written with it."""
    modes = {f"{side}BodyMode": "FULL_DUPLEX_STREAMED"}
    for wrong in (modes, modes | {f"{side}TrailerMode": "SKIP"}, modes | {f"{side}TrailerMode": "DEFAULT"}):
        assert f"processingMode.{side}TrailerMode: must be SEND" in policy(entry(processingMode=wrong))[1][0]
        assert provider(processingMode=wrong)[1]
        assert provider(allowModeOverride=True, allowedModeOverrides=[wrong])[1]
    assert policy(entry(processingMode=modes | {f"{side}TrailerMode": "SEND"}))[1] == []


@pytest.mark.parametrize("namespace", ["gateway.headgate.dev", "envoy.filters.http.jwt_authn", "envoy."])
def test_metadata_of_the_proxy(namespace: str) -> None:
    """A processor may read what the proxy's own filters write, and not write it: protection decides by it."""
    read, written = ({key: {"untyped": [namespace]}} for key in ("forwarding", "receiving"))
    assert policy(entry(metadataOptions=read))[1] == []
    assert "is what filters of the proxy write" in policy(entry(metadataOptions=written))[1][0]
    assert "is what filters of the proxy write" in provider(metadataOptions=written)[1][0]


@pytest.mark.parametrize("attribute", ["request.(", "request.in", "requests.path", "request.paths", "'a'.b("])
def test_attributes_are_checked(attribute: str) -> None:
    """An attribute that Envoy does not have, or cannot parse, is refused: it would refuse the whole table."""
    assert policy(entry(requestAttributes=[attribute]))[1]
    assert provider(responseAttributes=[attribute])[1]


def test_modes_that_may_not_be_chosen() -> None:
    """A list of modes to choose is for extensions that may choose."""
    modes = [{"requestBodyMode": "BUFFERED"}]
    assert "allowModeOverride" in provider(allowedModeOverrides=modes)[1][0]
    assert provider(allowModeOverride=True, allowedModeOverrides=modes)[1] == []


def test_entries_are_merged_by_name() -> None:
    """A more specific entry replaces that of its name; one without a name that switches off ends all that is wider."""
    wide = [entry("a"), entry("b")]
    assert effective(wide, [entry("c")]) == [("a", False), ("b", False), ("c", False)]
    assert effective(wide, [{"name": "a", "disable": {}}]) == [("a", True), ("b", False)]
    assert effective(wide, [{"disable": {}}, entry("c")]) == [("", True), ("c", False)]
    assert effective(wide, [{"disable": {}}], [entry("a")]) == [("", True), ("a", False)]
    assert effective(wide, [entry()], [{"name": "b", "disable": {}}]) == [("a", False), ("b", True), ("", False)]
