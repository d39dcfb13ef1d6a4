"""Validation for `headgate validate`: by the rules of Headgate, then by those of Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from headgate.envoy.validate import envoy_error
from headgate.offline.delegated_protection import delegated_protection
from headgate.reporting.certificates import certificate_problems
from headgate.reporting.conditions import bad, phrase
from headgate.reporting.fields import FieldPlaces, explained
from translator.conditions import HINTS
from translator.objects.gateway_api.gateway import key_of
from translator.refs import Ref
from translator.translator import Translator
from watchers.diagnostics import Diagnostic, Place, Severity
from watchers.files.source import related
from watchers.files.store import FileStore

#: Conditions that are only warnings: the object is served as it is written.
WARNINGS = frozenset({"OverlappingTLSConfig", *HINTS})


def problems(folder: FileStore, translator: Translator) -> Iterator[Diagnostic]:
    """Yield the diagnostics of files, of what objects say together, of conditions and of certificates."""
    yield from folder.diagnostics
    yield from related(folder)
    yield from delegated_protection(folder)
    yield from conditions(folder, translator)
    yield from certificate_problems(folder, datetime.now(UTC))


def conditions(folder: FileStore, translator: Translator) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each condition that needs action."""
    fields = FieldPlaces(folder)
    for ref, status in sorted(translator.statuses.items()):
        if folder.get(ref) is None:
            continue  # never valid: the file's own diagnostics say why
        for label, condition in bad(status):
            about = f" ({label})" if label else ""
            message = condition["message"]
            text = f"{phrase(condition)}{about}: {explained(folder, message)}"
            severity: Severity = "warning" if condition["type"] in WARNINGS else "error"
            yield Diagnostic(fields.place(ref, label, message), text, severity, ref)


def envoy_errors(folder: FileStore, translator: Translator, envoy: Path) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each Gateway whose resources Envoy would reject."""
    for ref, snapshot in sorted(translator.snapshots.items()):
        message = envoy_error(envoy, snapshot)
        if message is not None:
            yield Diagnostic(
                _place(folder, ref), f"Envoy rejects the configuration of {key_of(ref)}: {message}", "error", ref
            )


def _place(folder: FileStore, ref: Ref) -> Place:
    return folder.place(ref) or Place("<nowhere>")
