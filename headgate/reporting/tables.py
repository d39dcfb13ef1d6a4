"""Tables and details of `headgate status`, in the form of `kubectl get` and `kubectl describe`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from headgate.reporting.conditions import bad, is_good, parent_label, places
from headgate.reporting.findings import Finding, findings, name_of

Json = Mapping[str, Any]

#: Columns that may be long.
LONG = frozenset({"CLASS", "ADDRESS", "CONTROLLER", "HOSTNAMES", "PARENT", "PARENTS", "TARGETS", "LAST END", "LOG"})

#: A terminal of fewer characters has no room for those.
NARROW = 80


class Screen(NamedTuple):
    """The size of the terminal.

    Attributes:
        width: its width in characters.
        most: the most objects shown of each kind, those with findings first; None for all.
    """

    width: int
    most: int | None


def overview(status: Json, now: datetime | None = None, screen: Screen | None = None) -> RenderableType:
    """Render the findings, then tables of the objects by kind, and of the Envoys.

    Args:
        status: the status of the running Headgate, or of a cluster, as `headgate status` reads it.
        now: the time, for ages.
        screen: the terminal; None for unlimited lines, for other programs.
    """
    objects, now = status["objects"], now or datetime.now(UTC)
    kinds: dict[str, list[Json]] = {}
    for each in objects:
        kinds.setdefault(each["kind"], []).append(each)
    parts: list[RenderableType] = [*_findings(findings(status), screen)]
    for kind, found in kinds.items():
        parts += _objects(kind, found, now, screen)
    if status["envoys"]:
        parts += [_envoys(status["envoys"]), Text()]
    if not objects:
        parts.append(Text("There are no objects: write a Gateway into the folder, or apply one to the cluster.\n"))
    return Group(*parts[:-1]) if isinstance(parts[-1], Text) and not parts[-1] else Group(*parts)


def details(objects: Iterable[Json]) -> RenderableType:
    """Render every condition of some objects."""
    lines: list[Text] = []
    for found in objects:
        at = f"  {found['place']}" if found.get("place") else ""
        lines.append(Text(f"{found['kind']} {name_of(found)}{at}", style="bold"))
        generation = found["metadata"].get("generation", 0)
        for label, conditions in places(found.get("status") or {}):
            lines += [Text(f"  {label}")] if label else []
            for each in conditions:
                text = f"    {each['type']}={each['status']} ({each['reason']}) since {each['lastTransitionTime']}"
                observed = each.get("observedGeneration", generation)
                text += f", of generation {observed}, not yet {generation}: " if observed < generation else ": "
                lines.append(Text(text + each["message"], style="" if is_good(each) else "red"))
    return Group(*lines)


def _findings(found: list[Finding], screen: Screen | None) -> Iterator[RenderableType]:
    """Yield the findings, each in a separate paragraph; without a terminal, each on one line."""
    if not found:
        return
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    yield Text(count, style="bold red")
    for each in found[: screen and screen.most]:
        if screen is None:
            yield Text(f"  {each}")
            continue
        yield Padding(Text(each.text), (0, 0, 0, 2))
        yield from (Padding(Text(text), (0, 0, 0, 6)) for text in (each.detail, each.place) if text)
    yield from _rest(len(found), screen)
    yield Text()


def _rest(count: int, screen: Screen | None) -> Iterator[RenderableType]:
    if screen is not None and screen.most is not None and count > screen.most:
        yield Text(f"  and {count - screen.most} more: `headgate status --all` shows them", style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for number, each in enumerate(columns):
        # In a narrow terminal, long values are wrapped, not truncated.
        table.add_column(each, no_wrap=number > 0 and each not in LONG, overflow="fold")
    return table


def _columns(kind: str) -> dict[str, Any]:
    """Return the columns of a kind; in the Gateway API, all kinds of routes and policies have these suffixes."""
    other = next((found for suffix, found in _COLUMNS_BY_SUFFIX.items() if kind.endswith(suffix)), _OTHER_COLUMNS)
    return _COLUMNS.get(kind, other)


def _objects(kind: str, objects: list[Json], now: datetime, screen: Screen | None) -> Iterator[RenderableType]:
    columns = _columns(kind)
    if screen is not None and screen.width < NARROW:
        columns = {name: column for name, column in columns.items() if name not in LONG}
    most = screen and screen.most
    table = _table(kind.upper(), *columns, "SINCE")
    if most is not None and len(objects) > most:
        objects = sorted(objects, key=lambda each: not any(bad(each.get("status") or {})))
    for each in objects[:most]:
        table.add_row(name_of(each), *(column(each) for column in columns.values()), _since(each, now))
    yield table
    yield from _rest(len(objects), screen)
    yield Text()


def _state(found: Json, condition: str) -> Text:
    """Return the state of a condition, for a route over all of its parents."""
    own = [each for _, conditions in places(_own(found)) for each in conditions]
    states = {each["status"] for each in own if each["type"] == condition}
    if states == {"True"}:
        partly = condition == "Accepted" and any(each["type"] == "PartiallyInvalid" for each in own)
        return Text("Partly", style="yellow") if partly else Text("True", style="green")
    return Text("/".join(sorted(states)) or "-", style="red")


def _own(found: Json) -> Json:
    """Return an object's status without that of its parts."""
    return {key: value for key, value in (found.get("status") or {}).items() if key != "listeners"}


def _since(found: Json, now: datetime) -> str:
    times = [each["lastTransitionTime"] for _, conditions in places(_own(found)) for each in conditions]
    return age((now - datetime.fromisoformat(max(times))).total_seconds()) if times else "-"


def age(seconds: float) -> str:
    """Return a duration as `kubectl` writes it: "45s", "12m", "3h", "2d"."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds / length)}{unit}"
    return f"{max(0, int(seconds))}s"


def _addresses(found: Json) -> str:
    return ",".join(each["value"] for each in (found.get("status") or {}).get("addresses", ())) or "-"


def _attached(found: Json) -> str:
    return str(sum(each["attachedRoutes"] for each in (found.get("status") or {}).get("listeners", ())))


def _gateways(found: Json) -> str:
    return "; ".join(dict.fromkeys(parent_label(each) for each in found["spec"].get("parentRefs", ()))) or "-"


def _targets(found: Json) -> str:
    return "; ".join(dict.fromkeys(parent_label(each) for each in found["spec"].get("targetRefs", ()))) or "-"


_OTHER_COLUMNS: dict[str, Any] = {"ACCEPTED": lambda found: _state(found, "Accepted")}

_COLUMNS_BY_SUFFIX: dict[str, dict[str, Any]] = {
    "Route": {
        "HOSTNAMES": lambda found: ", ".join(found["spec"].get("hostnames", ())) or "*",
        "PARENTS": _gateways,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "RESOLVED": lambda found: _state(found, "ResolvedRefs"),
    },
    "Policy": {
        "TARGETS": _targets,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "ATTACHED": lambda found: _state(found, "Attached"),
    },
}

_COLUMNS: dict[str, dict[str, Any]] = {
    "Gateway": {
        "CLASS": lambda found: found["spec"].get("gatewayClassName", "-"),
        "ADDRESS": _addresses,
        "ROUTES": _attached,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "PROGRAMMED": lambda found: _state(found, "Programmed"),
    },
    "ListenerSet": {
        "PARENT": lambda found: parent_label(found["spec"].get("parentRef") or {"name": "-"}),
        "ROUTES": _attached,
        "ACCEPTED": lambda found: _state(found, "Accepted"),
        "PROGRAMMED": lambda found: _state(found, "Programmed"),
    },
    "GatewayClass": {
        "CONTROLLER": lambda found: found["spec"].get("controllerName", "-"),
        "ACCEPTED": lambda found: _state(found, "Accepted"),
    },
}


def _envoys(envoys: list[Json]) -> Table:
    table = _table("ENVOY OF", "PROCESS", "RESTARTS", "LAST END", "LOG")
    for each in envoys:
        pid = Text(str(each["pid"])) if each["pid"] else Text("not running", style="red")
        table.add_row(each["gateway"], pid, str(each["restarts"]), each["failure"] or "-", each["log"])
    return table
