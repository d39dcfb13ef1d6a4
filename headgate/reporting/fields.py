"""Places of fields in files, for messages of conditions, and hints about missing objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.reporting.conditions import parent_label
from translator.objects.schema.suggest import closest
from translator.refs import Ref
from watchers.diagnostics import Place
from watchers.files.documents import Document, ManifestError, count_lines, read_part, split
from watchers.files.store import FileStore
from watchers.files.yaml_decoder import Budget

_NAME = r"[a-z][A-Za-z0-9]*(?:\[[\w.-]+\])*"
_FIELD = re.compile(rf"(?:^|: )({_NAME}(?:\.{_NAME})*): ")
_STEP = re.compile(r"\[([\w.-]+)\]|(\w+)")
_MISSING = re.compile(r"([A-Z]\w+) ([a-z0-9.-]+)/([a-z0-9.-]+) does not exist; [^.]*\.")


class FieldPlaces:
    """The places of objects' fields in files, which are read again on demand.

    Args:
        folder: the files, with the place of each object.
    """

    def __init__(self, folder: FileStore) -> None:
        self._folder = folder
        self._documents: dict[str, list[Document]] = {}

    def place(self, ref: Ref, label: str, message: str) -> Place:
        """Return the place of the field that a condition's message names.

        Args:
            ref: the object.
            label: the part of the object with the condition, as in `conditions.places`.
            message: the message, which starts with a field if it is about one.
        """
        start = self._folder.place(ref) or Place("<nowhere>")
        for each in self._of(start.file):
            if each.line == start.line:
                return Place(start.file, each.line_of(_path(each.raw, label, message)))
        return start

    def _of(self, file: str) -> list[Document]:
        if file not in self._documents:
            self._documents[file] = _documents(file)
        return self._documents[file]


def _documents(file: str) -> list[Document]:
    """Return the documents of a file; none if it is not a file, such as standard input, or invalid by now."""
    found, line = list[Document](), 1
    try:
        for part in split(Path(file).read_bytes(), file):
            found += read_part(part, file, line, Budget()).documents
            line += count_lines(part)
    except (OSError, ManifestError):
        return []
    return found


def _path(raw: Mapping[str, Any], label: str, message: str) -> tuple[str | int, ...]:
    field = _FIELD.search(message)
    steps = _STEP.findall(field[1]) if field else []
    start = () if steps[:1] == [("", "spec")] else _part(raw, label)
    path, at = list[str | int](start), _value(raw, start)
    for item, name in steps:
        step = _place(at, item) if item else name
        path.append(step)
        at = _value(at, (step,))
    return tuple(path)


def _place(items: Any, item: str) -> str | int:
    """Return the index of an item of a list that a message names by its index, or by its name."""
    named = items if isinstance(items, list) else []
    found = (place for place, each in enumerate(named) if isinstance(each, dict) and each.get("name") == item)
    return int(item) if item.isdigit() else next(found, item)


def _value(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return what is at a path in JSON; None if there is nothing."""
    for step in path:
        known = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list) and step < len(value)
        value = (value.get(step) if isinstance(value, dict) else value[step]) if known else None
    return value


def _part(raw: Mapping[str, Any], label: str) -> tuple[str | int, ...]:
    """Return the path of a listener or of a reference to a parent."""
    spec = raw.get("spec")
    if not isinstance(spec, dict) or not label:
        return ()
    for place, each in enumerate(spec.get("listeners") or ()):
        if label == f"listener {each.get('name')}":
            return ("spec", "listeners", place)
    for place, each in enumerate(spec.get("parentRefs") or ()):
        if label == parent_label(each):
            return ("spec", "parentRefs", place)
    return ()


def explained(folder: FileStore, text: str) -> str:
    """Return a text with a hint after each object that "does not exist": it is invalid, or a similar name exists."""
    return _MISSING.sub(lambda match: _explained(folder, match), text)


def _explained(folder: FileStore, match: re.Match[str]) -> str:
    ref = Ref(match[1], match[2], match[3])
    if folder.is_broken(ref):
        return f"{ref} is in the files, but is not valid: correct the problems that are reported for it."
    names = [each.name for each in folder.objects if each[:2] == ref[:2]]
    meant = closest(ref.name, names)
    return f"{ref} does not exist; did you mean {meant}?" if meant else match[0]
