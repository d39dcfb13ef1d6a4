"""`headgate status`: what `kubectl get` and `kubectl describe` would show, from the running Headgate."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from headgate.address import Address
from headgate.conditions import bad, is_good, parent_label, phrase, places
from headgate.errors import UserError

Plain = Mapping[str, Any]

#: How long the running Headgate may take to answer, in seconds.
DEADLINE = 10


def fetch(admin: Address) -> dict[str, Any]:
    """Asks the running Headgate for its `/status`.

    Raises:
        UserError: nobody answers there, or it is not Headgate; the message names the way out.
    """
    url = f"http://{admin.for_clients}/status"
    # A proxy set in the environment has no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=DEADLINE) as response:
            status: dict[str, Any] = json.load(response)
            return status
    except urllib.error.HTTPError as error:
        error.close()
        raise UserError(f"{url} answers {error.code}: that is not Headgate; name it with --admin-address") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"no Headgate answers on {url} ({reason}); start it with `headgate run FOLDER`, "
            "or name the one that runs with --admin-address"
        ) from error


def name_of(found: Plain) -> str:
    """An object's "namespace/name", or its name."""
    metadata = found["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else str(metadata["name"])


def overview(status: Plain, now: datetime | None = None) -> RenderableType:
    """Tables of the objects by kind, of the Envoys, and all that is not as it should be."""
    objects, now = status["objects"], now or datetime.now(UTC)
    kinds: dict[str, list[Plain]] = {}
    for each in objects:
        kinds.setdefault(each["kind"], []).append(each)
    parts: list[RenderableType] = [_objects(kind, found, now) for kind, found in kinds.items()]
    if status["envoys"]:
        parts.append(_envoys(status["envoys"]))
    parts += _troubles(objects, [*status["problems"], *map(_refusal, status.get("refused", ()))])
    return Group(*parts) if parts else Text("There are no objects: write a Gateway into the folder.")


def details(objects: Iterable[Plain]) -> RenderableType:
    """Every condition of some objects."""
    lines: list[Text] = []
    for found in objects:
        lines.append(Text(f"{found['kind']} {name_of(found)}  {found['place']}", style="bold"))
        for label, conditions in places(found["status"]):
            lines += [Text(f"  {label}")] if label else []
            for each in conditions:
                text = f"    {each['type']}={each['status']} ({each['reason']}) since {each['lastTransitionTime']}: "
                lines.append(Text(text + each["message"], style="" if is_good(each) else "red"))
    return Group(*lines)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for each in columns:
        table.add_column(each, no_wrap=True)
    return table


def _objects(kind: str, objects: list[Plain], now: datetime) -> Table:
    columns = _COLUMNS.get(kind, {"ACCEPTED": lambda found: _state(found, "Accepted")})
    table = _table(kind.upper(), *columns, "SINCE")
    for each in objects:
        table.add_row(name_of(each), *(column(each) for column in columns.values()), _since(each, now))
    return table


def _state(found: Plain, condition: str) -> Text:
    """Whether a condition holds, for a route at all of its parents."""
    states = {
        each["status"] for _, conditions in places(_own(found)) for each in conditions if each["type"] == condition
    }
    text = "True" if states == {"True"} else ("/".join(sorted(states)) or "-")
    return Text(text, style="green" if text == "True" else "red")


def _own(found: Plain) -> Plain:
    """An object's status without that of its parts."""
    return {key: value for key, value in found["status"].items() if key != "listeners"}


def _since(found: Plain, now: datetime) -> str:
    times = [each["lastTransitionTime"] for _, conditions in places(_own(found)) for each in conditions]
    return age((now - datetime.fromisoformat(max(times))).total_seconds()) if times else "-"


def age(seconds: float) -> str:
    """A duration as `kubectl` writes it: "45s", "12m", "3h", "2d"."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds / length)}{unit}"
    return f"{max(0, int(seconds))}s"


def _addresses(found: Plain) -> str:
    return ",".join(each["value"] for each in found["status"].get("addresses", ())) or "-"


def _attached(found: Plain) -> str:
    return str(sum(each["attachedRoutes"] for each in found["status"].get("listeners", ())))


def _gateways(found: Plain) -> str:
    return "; ".join(dict.fromkeys(parent_label(each) for each in found["spec"].get("parentRefs", ()))) or "-"


_COLUMNS: dict[str, dict[str, Any]] = {
    "Gateway": {
        "CLASS": lambda found: found["spec"].get("gatewayClassName", "-"),
        "ADDRESS": _addresses,
        "ROUTES": _attached,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "PROGRAMMED": lambda found: _state(found, "Programmed"),
    },
    "HTTPRoute": {
        "HOSTNAMES": lambda found: ",".join(found["spec"].get("hostnames", ())) or "*",
        "PARENTS": _gateways,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "RESOLVED": lambda found: _state(found, "ResolvedRefs"),
    },
    "GatewayClass": {
        "CONTROLLER": lambda found: found["spec"].get("controllerName", "-"),
        "ACCEPTED": lambda found: _state(found, "Accepted"),
    },
}


def _envoys(envoys: list[Plain]) -> Table:
    table = _table("ENVOY OF", "PROCESS", "RESTARTS", "LAST END", "LOG")
    for each in envoys:
        pid = Text(str(each["pid"])) if each["pid"] else Text("not running", style="red")
        table.add_row(each["gateway"], pid, str(each["restarts"]), each["failure"] or "-", each["log"])
    return table


def _refusal(found: Plain) -> str:
    origin = f"; it comes of {', '.join(found['objects'])}" if found["objects"] else ""
    return f"Gateway {found['gateway']}: a proxy refused {found['kind']} {found['name']}: {found['message']}{origin}"


def _troubles(objects: list[Plain], problems: list[str]) -> Iterator[RenderableType]:
    lines = [
        f"{found['place']}: {found['kind']} {name_of(found)} {phrase(each)}{f' ({label})' if label else ''} "
        f"({each['reason']}): {each['message']}"
        for found in objects
        for label, each in bad(found["status"])
    ]
    if lines or problems:
        yield Text("\nNot as it should be", style="bold red")
        yield from (Text(f"  {line}") for line in [*lines, *problems])
