"""The client of the admin server, which `headgate status` and `headgate explain` use."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from headgate.admin.token import Token
from headgate.process.address import Address
from headgate.process.errors import UserError

#: The timeout of the request, in seconds.
DEADLINE = 10

#: The most bytes of the target of a request, which aiohttp limits with the line that it is in.
MAX_PATH = 8000

#: The bytes of an error response that a message quotes.
MAX_BODY = 500


def fetch(admin: Address) -> dict[str, Any]:
    """Fetch `/status` from the running Headgate.

    Raises:
        UserError: the server does not respond, or is not Headgate; the message names the way out.
    """
    return _fetch(admin, "/status")


def fetch_explanation(
    admin: Address,
    method: str,
    url: str,
    headers: Sequence[str],
    size: int | None,
    gateway: str | None,
    model: str | None = "",
) -> dict[str, Any]:
    """Fetch what becomes of a request from the running Headgate, as `headgate.reporting.explanation.to_json` gives it.

    Raises:
        UserError: the server does not respond, is not Headgate, or does not take the request.
    """
    query = [("method", method), ("url", url), *(("header", each) for each in headers)]
    query += [] if size is None else [("size", str(size))]
    query += [("model", "")] if model is None else [("model", f"={model}")] if model else []
    query += [] if gateway is None else [("gateway", gateway)]
    path = f"/explain?{urllib.parse.urlencode(query)}"
    if len(path) > MAX_PATH:
        raise UserError(f"the request is too long to ask about: its URL and headers may have {MAX_PATH} bytes")
    found = _fetch(admin, path)
    if not found["gateways"]:
        which = f"no Gateway {gateway}" if gateway else "no Gateway"
        raise UserError(f"the running Headgate serves {which}; `headgate status` lists what it serves")
    return found


def _fetch(admin: Address, path: str) -> dict[str, Any]:
    base = f"http://{admin.for_clients}"
    url = base + path.partition("?")[0]
    # The server is local: ignore a proxy that is set in the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = Token(admin).read()
    request = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with opener.open(request, timeout=DEADLINE) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except urllib.error.HTTPError as error:
        body = error.read(MAX_BODY).decode(errors="replace").strip()
        error.close()
        if error.code in (400, 503):
            raise UserError(body) from error
        if error.code in (401, 403, 500):
            raise UserError(f"{url} answers {error.code}: {body}") from error
        raise UserError(
            f"{url} answers {error.code}: this is not Headgate; name its address with --admin-address"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"no Headgate answers on {url} ({reason}); start it with `headgate run FOLDER`, "
            "or name the address of a running one with --admin-address"
        ) from error
