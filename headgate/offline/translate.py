"""Translation for `headgate translate`: files in; Envoy's configuration, the IR or statuses out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from headgate.controlplane.status_store import as_object
from headgate.process.address import DEFAULT_ADMIN, DEFAULT_XDS, Address
from headgate.process.errors import UserError
from headgate.process.own_addresses import own_addresses
from headgate.reporting.proto_json import resources
from translator.inputs import Settings
from translator.objects.gateway_api.gateway import key_of
from translator.translator import Translator
from watchers.files.contents import read
from watchers.files.source import SourceError, read_files
from watchers.files.store import FileStore

#: The name of standard input among the files, and in messages.
STDIN, STDIN_NAME = "-", "<stdin>"


def load(paths: Sequence[str]) -> FileStore:
    """Read folders, files and, for "-", standard input.

    Raises:
        UserError: one of them does not exist or cannot be read.
    """
    named = [path for path in paths if path != STDIN]
    try:
        folder = read_files(named) if named else FileStore()
    except SourceError as error:
        raise UserError(str(error)) from error
    if STDIN in paths:
        folder.apply({STDIN_NAME: read(sys.stdin.buffer.read(), STDIN_NAME)})
    return folder


#: The settings of `headgate run`, without proxies that acknowledge; in a cluster: `translator.inputs.in_cluster`.
FILES = Settings(own=own_addresses(DEFAULT_XDS, DEFAULT_ADMIN), offline=True)


def file_settings(rate_limit_service: Address | None) -> Settings:
    """Return the settings for files, with the service that is asked for global limits which name none."""
    return replace(FILES, rate_limit_service=rate_limit_service)


def translate(folder: FileStore, settings: Settings = FILES) -> Translator:
    """Translate all objects of a folder, as if every proxy acknowledged its configuration.

    Args:
        folder: the objects.
        settings: the settings of the translation.

    Raises:
        ExceptionGroup: bugs in the translation of some of them.
    """
    translator = Translator(settings)
    translator.edit(folder.edits)
    changes = translator.evaluate()
    if changes.failures:
        raise ExceptionGroup("a bug in Headgate, please report it", changes.failures)
    return translator


def select(gateways: Iterable[str], wanted: str | None) -> list[str]:
    """Return the Gateways to show.

    Args:
        gateways: the "namespace/name" of each Gateway.
        wanted: the one to show; all if None.

    Raises:
        UserError: `wanted` is not among them.
    """
    known = sorted(gateways)
    if wanted is None:
        return known
    if wanted not in known:
        served = f"it serves {', '.join(known)}" if known else "it serves none"
        raise UserError(f"Headgate serves no Gateway {wanted}; {served}")
    return [wanted]


def xds(translator: Translator, gateway: str | None, section: str | None) -> dict[str, Any]:
    """Return Envoy's resources by Gateway and type; private keys are blanked."""
    snapshots = {key_of(ref): snapshot for ref, snapshot in translator.snapshots.items()}
    shown = {}
    for key in select(snapshots, gateway):
        sections = resources(snapshots[key])
        shown[key] = {name: each for name, each in sections.items() if section in (None, name)}
    return shown


def statuses(translator: Translator) -> list[dict[str, Any]]:
    """Return the objects that have a status, in the form of the API server."""
    return [as_object(ref, translator.object(ref), status) for ref, status in sorted(translator.statuses.items())]
