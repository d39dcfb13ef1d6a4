"""A golden case: objects and their outputs in one file. README.md describes the format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headgate.reporting.proto_json import resources
from tests.translator.golden.certificates import PLACEHOLDERS
from tests.translator.golden.writing import write
from translator.inputs import AffectedRoute, AttributedNack, Edit, GatewaySyncStatus, Settings, StillServed
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.translator import Translator
from watchers.files.contents import read

HERE = Path(__file__).parent
BASE = HERE / "base.yaml"
OUTPUT = "\n# Output\n"

_KEYS = {"conditions": "type", "listeners": "name", "supportedFeatures": "name"}
_CONTROLS = re.compile(r"^# (?=(?:Settings|SyncStatus|Keep):)", re.MULTILINE)
_CLUSTER = re.compile(r"^([a-z0-9.-]+/[a-z0-9.-]+:\d+)/[0-9a-f]{8}$")


@dataclass(frozen=True)
class Case:
    """A golden case in one file.

    Attributes:
        path: where it is.
        keep: which part of the outputs it is about.
        settings: those of `translator.translator.Settings` that are not the defaults.
        delivery: how far the configuration of a Gateway has come, by the Gateway's name in the namespace `default`.
        input: its text up to the line `# Output`.
        output: the document after that line.
    """

    path: Path
    keep: Mapping[str, Any]
    settings: Mapping[str, Any]
    delivery: Mapping[str, Any]
    input: str
    output: Any

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read a case; one without a sentence or without `Keep` is refused."""
        text, _, output = path.read_text().partition(OUTPUT)
        comment = "\n".join(_leading_comment(text))
        sentence, *controls = _CONTROLS.split(comment, maxsplit=1)
        assert sentence.strip("# \n"), f"{path}: begin with a comment that says what holds"
        assert controls, f"{path}: say with `# Keep:` what the case is about"
        found = yaml.safe_load(re.sub("^# ?", "", controls[0], flags=re.MULTILINE))
        settings, delivery = found.get("Settings", {}), found.get("SyncStatus", {})
        return cls(path, found["Keep"], settings, delivery, text, yaml.safe_load(output))

    def translate(self) -> Translator:
        """Translate the base objects and the case's objects, which replace base objects of the same name."""
        translator = Translator(Settings(**{"offline": not self.delivery, **self.settings}))
        found = {each.ref: each for text in (BASE.read_text(), self.input) for each in _objects(text, self.path)}
        translator.edit(Edit(ref, each) for ref, each in found.items())
        for name, told in self.delivery.items():
            translator.set_sync_status(Ref(Gateway.kind, "default", name), _sync_status(**told))
        changes = translator.evaluate()
        assert changes.failures == []
        return translator

    def actual(self) -> Any:
        """Return what comes out, trimmed to what the case is about."""
        translator = self.translate()
        xds = {f"{ref.namespace}/{ref.name}": resources(each) for ref, each in sorted(translator.snapshots.items())}
        status = {str(ref): _by_key(each) for ref, each in sorted(translator.statuses.items())}
        return _without_hashes(trimmed({"xds": xds, "status": status}, self.keep))

    def rewrite(self) -> None:
        """Write what comes out into the file as what is expected."""
        self.path.write_text(f"{self.input.rstrip()}\n{OUTPUT}{write(self.actual())}")


def trimmed(value: Any, keep: Any) -> Any:
    """Return the part of a tree that is selected: a key with nothing behind it selects all there, `*` any other key.

    Lists are transparent: what is selected is selected in each element.
    """
    if keep is None:
        return value
    if isinstance(value, list):
        return [trimmed(each, keep) for each in value]
    assert isinstance(value, dict), f"{value!r} has no {keep}"
    return {key: trimmed(each, keep.get(key, keep.get("*"))) for key, each in value.items() if {key, "*"} & keep.keys()}


def _sync_status(nacks: Iterable[Mapping[str, Any]] = (), **told: Any) -> GatewaySyncStatus:
    return GatewaySyncStatus(nacks=tuple(_nack(**each) for each in nacks), **told)


def _nack(routes: Iterable[Mapping[str, Any]] = (), **told: Any) -> AttributedNack:
    return AttributedNack(routes=tuple(_affected_route(**each) for each in routes), **told)


def _affected_route(route: str, rules: Iterable[str], served: str, generation: int = 0) -> AffectedRoute:
    return AffectedRoute(Ref(HTTPRoute.kind, "default", route), tuple(rules), StillServed(served), generation)


def _by_key(value: Any, key: str = "") -> Any:
    """Show lists that the API declares as maps (`listType=map`) as maps."""
    if isinstance(value, dict):
        return {name: _by_key(each, _KEYS.get(name, "")) for name, each in value.items() if name != key}
    if isinstance(value, list):
        members = [_by_key(each, key) for each in value]
        return dict(zip((each[key] for each in value), members, strict=True)) if key else members
    return value


def _without_hashes(value: Any) -> Any:
    """Return a cluster's name ends in a hash of its settings, which says nothing to a reader."""
    if isinstance(value, dict):
        return {key: _without_hashes(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_hashes(each) for each in value]
    return _CLUSTER.sub(r"\1", value) if isinstance(value, str) else value


def _leading_comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


def _objects(text: str, path: Path) -> Iterator[KubernetesObject]:
    for placeholder, pem in PLACEHOLDERS.items():
        text = text.replace(f"${{{placeholder}}}", pem)
    found = read(text.encode(), path.name)
    assert found.diagnostics == ()
    yield from (each.object for each in found.definitions.values())
