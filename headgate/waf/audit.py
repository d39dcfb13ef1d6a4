"""The audit log: a line of JSON for each request that rules have matched, without what may be a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headgate.observability.encoding import to_json
from headgate.waf.inspection import Inspection, Verdict


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log.

    Attributes:
        write: writes a line.
        data: whether lines have what rules have found in requests, and queries: these may be secrets.
    """

    write: Callable[[str], object]
    data: bool = False

    def report(self, found: Inspection, verdict: Verdict, route: str) -> None:
        """Report an inspection, if some rule has matched.

        Bodies, headers and queries are not in it, but for the Host and the id of the request.
        """
        if not verdict.matches and not verdict.status:
            return
        headers = dict(found.headers)
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "log": "waf",
            "action": "refused" if verdict.status else "reported",
            "phase": "request" if found.response is None else "response",
            "status": verdict.status,
            "client": found.client,
            "method": found.method,
            "host": headers.get("host", ""),
            "path": found.uri if self.data else found.uri.partition("?")[0],
            "request_id": headers.get("x-request-id", ""),
            "route": route,
            "truncated": found.truncated,
            "rules": [
                {"id": each.rule, "severity": each.severity, "message": each.message}
                | ({"data": each.data} if self.data else {})
                for each in verdict.matches
            ],
        }
        self.write(to_json(line).decode())
