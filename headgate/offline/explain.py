"""Explanations of requests for `headgate explain`, of files or of a cluster's objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headgate.offline.translate import select, translate
from headgate.process.errors import UserError
from headgate.reporting.explanation import to_json
from translator.explain.explain import explain
from translator.explain.request import RequestError, parse_request
from translator.inputs import Settings
from translator.objects.gateway_api.gateway import key_of
from watchers.files.store import FileStore


def explained(
    folder: FileStore,
    settings: Settings,
    method: str,
    url: str,
    headers: Sequence[str],
    size: int | None,
    gateway: str | None,
    model: str | None = "",
) -> dict[str, Any]:
    """Return what becomes of a request, as `headgate.reporting.explanation.to_json` does.

    Args:
        folder: the objects.
        settings: the settings of the translation.
        method: the method of the request.
        url: its URL.
        headers: its headers.
        size: the length of its body, in bytes; None without one.
        gateway: the "namespace/name" of the Gateway that gets it; None for any that listens on its port.
        model: the model that its body names, as `translator.explain.request.model_of` returns it.

    Raises:
        UserError: it is no request, or no Gateway is served that could get it.
    """
    try:
        request = parse_request(method, url, headers, size, model)
    except RequestError as error:
        raise UserError(str(error)) from error
    translator = translate(folder, settings)
    known = select(map(key_of, translator.snapshots), gateway)
    if not known:
        raise UserError("there is no Gateway that Headgate serves: no request gets anywhere")
    return to_json(request, explain(translator.reader, translator.snapshots, request, gateway))
