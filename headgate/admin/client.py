"""The client of the admin server, which `headgate status` uses."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from headgate.admin.token import Token
from headgate.process.address import Address
from headgate.process.errors import UserError

#: The timeout of the request, in seconds.
DEADLINE = 10

#: The bytes of an error response that a message quotes.
MAX_BODY = 500


def fetch(admin: Address) -> dict[str, Any]:
    """Fetch `/status` from the running Headgate.

    Raises:
        UserError: the server does not respond, or is not Headgate; the message names the way out.
    """
    url = f"http://{admin.for_clients}/status"
    # The server is local: ignore a proxy that is set in the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = Token(admin).read()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with opener.open(request, timeout=DEADLINE) as response:
            status: dict[str, Any] = json.load(response)
            return status
    except urllib.error.HTTPError as error:
        body = error.read(MAX_BODY).decode(errors="replace").strip()
        error.close()
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
