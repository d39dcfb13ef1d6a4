"""A golden case: objects and their outputs in one file, in one step or several. README.md describes the format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.translator.golden.certificates import PLACEHOLDERS
from tests.translator.golden.outputs import Snapshots, changed, difference, served, trimmed, whole
from tests.translator.golden.writing import write
from translator.inputs import AffectedRoute, AttributedNack, Edit, GatewaySyncStatus, Invalid, Settings, StillServed
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.partial import partial_object
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Changes, Translator
from watchers.files.documents import read_part, split
from watchers.files.yaml_decoder import Budget
from xds import Nack

HERE = Path(__file__).parent
BASE = HERE / "base.yaml"
OUTPUT = "\n# Output\n"

_STEP = re.compile(r"^(?=# Step \d+:)", re.MULTILINE)
_CONTROLS = re.compile(r"^# (?=(?:Settings|SyncStatus|Requested|Keep|Delete):)", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A step of a golden case: edits, and the outputs that follow.

    Attributes:
        controls: the settings in its comment, by name.
        input: its text up to the line `# Output`.
        output: the document after that line.
    """

    controls: Mapping[str, Any]
    input: str
    output: Any

    @classmethod
    def read(cls, text: str, number: int, path: Path) -> Step:
        """Read a step.

        Raises:
            AssertionError: it has no sentence, another number, or controls that belong elsewhere.
        """
        text, _, output = text.partition(OUTPUT)
        sentence, *controls = _CONTROLS.split("\n".join(_leading_comment(text)), maxsplit=1)
        mark = f"# Step {number}:" if number > 1 else ""
        assert sentence.startswith(mark), f"{path}: number the steps: this one is {mark}"
        assert sentence.removeprefix(mark).strip("# \n"), f"{path}: begin with a comment that says what holds"
        found = _loaded(re.sub("^# ?", "", controls[0], flags=re.MULTILINE)) if controls else {}
        allowed = {"SyncStatus", "Requested"} | ({"Delete"} if number > 1 else {"Settings", "Keep"})
        assert found.keys() <= allowed, f"{path}: step {number} takes {', '.join(sorted(allowed))}"
        assert number > 1 or "Keep" in found, f"{path}: say with `# Keep:` what the case is about"
        return cls(found, text.rstrip("\n"), _loaded(output))

    @property
    def deleted(self) -> Iterator[Ref]:
        """The objects that it deletes, written as `Kind namespace/name` or `Kind name`."""
        for each in self.controls.get("Delete", ()):
            kind, _, name = each.partition(" ")
            yield Ref(kind, *name.rpartition("/")[::2])

    @property
    def sync_status(self) -> Iterator[tuple[Ref, GatewaySyncStatus]]:
        """The sync status of Gateways in the namespace `default`."""
        for name, given in self.controls.get("SyncStatus", {}).items():
            yield Ref(Gateway.kind, "default", name), _sync_status(**given)


class Evaluation(NamedTuple):
    """The outputs after a step: as plain data, and the snapshots."""

    output: Any
    snapshots: Snapshots


@dataclass(frozen=True)
class Case:
    """A golden case in one file.

    Attributes:
        path: where it is.
        steps: its edits, one after another.
    """

    path: Path
    steps: tuple[Step, ...]

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read a case; `Step.read` says what is refused."""
        texts = _STEP.split(path.read_text())
        return cls(path, tuple(Step.read(text, number, path) for number, text in enumerate(texts, 1)))

    @property
    def expected(self) -> list[Any]:
        """The outputs of each step, as the file has them."""
        return [each.output for each in self.steps]

    def actual(self) -> list[Any]:
        """Return the outputs of each step, trimmed to what the case is about."""
        return [each.output for each in self.evaluate()]

    def evaluate(self) -> Iterator[Evaluation]:
        """Translate the objects of the first step beside the base objects, then make one step after another.

        Raises:
            AssertionError: an object is not as its step may have it, or there was a bug.
        """
        first = self.steps[0].controls
        offline = not any(each.controls.get("SyncStatus") for each in self.steps)
        translator = Translator(Settings(**{"offline": offline, **first.get("Settings", {})}))
        edits = {each.ref: each for each in (*_base(), *_edits(self.steps[0].input, self.path))}
        self._evaluate(translator, edits, self.steps[0])
        yield Evaluation(trimmed(whole(translator), first["Keep"]), served(translator))
        for step in self.steps[1:]:
            before, executed = served(translator), dict(translator.executions)
            edits = {each.ref: each for each in _edits(step.input, self.path, may_be_invalid=True)}
            for ref in step.deleted:
                assert translator.object(ref) is not None, f"{self.path}: there is no {ref} to delete"
                edits[ref] = Edit(ref, None)
            changes = self._evaluate(translator, edits, step)
            found = changed(before, changes, difference(executed, translator.executions))
            yield Evaluation(trimmed(found, {"changes": None, **first["Keep"]}), served(translator))

    def _evaluate(self, translator: Translator, edits: Mapping[Ref, Edit], step: Step) -> Changes:
        for gateway, sync_status in step.sync_status:
            published = translator.snapshots.get(gateway)
            about = published.version if published is not None else None
            translator.set_sync_status(gateway, replace(sync_status, snapshot=about))
        for namespace, names in step.controls.get("Requested", {}).items():
            translator.set_requested(namespace, frozenset(names))
        translator.edit(edits.values())
        changes = translator.evaluate()
        assert changes.failures == [], self.path
        return changes

    def rewrite(self) -> None:
        """Write what comes out of each step into the file as what is expected."""
        texts = (f"{each.input}\n{OUTPUT}{write(out)}" for each, out in zip(self.steps, self.actual(), strict=True))
        self.path.write_text("\n".join(texts))


def _loaded(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)  # ten times as fast as the loader in Python


@cache
def _base() -> tuple[Edit, ...]:
    return tuple(_edits(BASE.read_text(), BASE))


def _edits(text: str, path: Path, *, may_be_invalid: bool = False) -> Iterator[Edit]:
    """Yield the edits that create or change the objects of a text, each `Invalid` if it may be and is.

    Raises:
        AssertionError: an object has problems, or is there twice.
    """
    for placeholder, pem in PLACEHOLDERS.items():
        text = text.replace(f"${{{placeholder}}}", pem)
    seen: set[Ref] = set()
    for part in split(text.encode(), path.name):
        for document in read_part(part, path.name, 1, Budget()).documents:
            edit, problems = _edit(document.raw)
            allowed = may_be_invalid and isinstance(edit.object, Invalid)
            assert problems == "" or allowed, f"{path}: {edit.ref}: {problems}"
            assert edit.ref not in seen, f"{path}: {edit.ref} is there twice"
            seen.add(edit.ref)
            yield edit


def _edit(raw: Mapping[str, Any]) -> tuple[Edit, str]:
    """Return the edit of one object, as an informer makes it, and its problems."""
    parsed = KINDS.parse(raw)
    problems = "; ".join(map(str, parsed.problems))
    if parsed.object is not None:
        return Edit(parsed.object.ref, parsed.object), problems
    metadata = raw["metadata"]
    ref = Ref(raw["kind"], metadata.get("namespace", "default"), metadata["name"])
    return Edit(ref, Invalid(problems, partial_object(raw))), problems


def _sync_status(nacks: Iterable[Mapping[str, Any]] = (), **given: Any) -> GatewaySyncStatus:
    return GatewaySyncStatus(nacks=tuple(_nack(**each) for each in nacks), **given)


def _nack(routes: Iterable[Mapping[str, Any]] = (), **given: Any) -> AttributedNack:
    return AttributedNack(Nack(**given), tuple(_affected_route(**each) for each in routes))


def _affected_route(route: str, rules: Iterable[str], served: str, generation: int = 0) -> AffectedRoute:
    return AffectedRoute(Ref(HTTPRoute.kind, "default", route), tuple(rules), StillServed(served), generation)


def _leading_comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line
