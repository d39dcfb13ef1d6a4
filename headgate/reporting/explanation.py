"""What becomes of a request, as JSON values and as tables for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from translator.explain.request import Request
from translator.explain.result import Explanation, PolicyField

Json = Mapping[str, Any]

_ALWAYS = ("served", "share")
_WITHOUT = ("headers",)


def to_json(request: Request, found: Iterable[Explanation]) -> dict[str, Any]:
    """Return explanations as JSON values; what is empty is left out."""
    gateways = [{**_plain(each), "served": each.served, "problems": list(each.problems)} for each in found]
    asked = {"method": request.method, "scheme": request.scheme, "host": request.host, "port": request.port}
    served = bool(gateways) and all(each["served"] for each in gateways)
    return {"request": {**asked, "path": request.path}, "served": served, "gateways": gateways}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        pairs = ((each.name, getattr(value, each.name)) for each in dataclasses.fields(value))
    elif hasattr(value, "_asdict"):
        pairs = iter(value._asdict().items())
    elif isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    else:
        return value
    made = ((name, _plain(each)) for name, each in pairs if name not in _WITHOUT)
    always = (*_ALWAYS, "value") if isinstance(value, PolicyField) else _ALWAYS
    return {_camel(name): each for name, each in made if name in always or each not in _EMPTY}


_EMPTY: tuple[Any, ...] = (None, "", [], {}, False)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def tables(explained: Json) -> RenderableType:
    """Render explanations as `to_json` gives them."""
    asked = explained["request"]
    parts: list[RenderableType] = [
        Text(f"{asked['method']} {asked['scheme']}://{asked['host']}{asked['path']}", style="bold")
    ]
    for each in explained["gateways"]:
        parts += [Text(), _gateway(each, asked)]
    return Group(*parts)


def _gateway(found: Json, asked: Json) -> RenderableType:
    table = _grid()
    table.add_row("Gateway", found["gateway"])
    for name, value in _connection(found, asked):
        table.add_row(name, value)
    parts: list[RenderableType] = [table]
    parts += [_outcome(each, asked, grpc=found.get("grpc", False)) for each in found.get("outcomes", [])]
    if found["served"]:
        parts.append(Text("served", style="green"))
    parts += [Text(f"not served: {each}", style="red") for each in found["problems"]]
    return Group(*parts)


def _grid() -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True, min_width=17)
    table.add_column(overflow="fold")
    return table


def _connection(found: Json, asked: Json) -> Iterator[tuple[str, str]]:
    yield from _named(found, {"listener": "Listener"})
    yield from (("", each) for each in found.get("listeners", []))
    yield from _policies(found)
    yield from _named(found, {"filterChain": "Filter chain", "virtualHost": "Virtual host"})
    if found.get("path", asked["path"]) != asked["path"]:
        yield "Normalised path", found["path"]


def _named(found: Json, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((title, str(found[key])) for key, title in names.items() if key in found)


def _outcome(found: Json, asked: Json, *, grpc: bool) -> RenderableType:
    table = _grid()
    if found["share"] < 1:
        table.add_row(Text(f"{_percent(found['share'])} of requests", style="bold"))
    for name, value in _rows(found, asked, grpc):
        table.add_row(name, value)
    return table


def _rows(found: Json, asked: Json, grpc: bool) -> Iterator[tuple[str, str]]:
    rule = found.get("rule")
    if rule is not None:
        match = f", match {rule['match']}" if "match" in rule else ""
        yield "Route", f"{rule['route']}, rule {rule['rule']}{match}"
        yield from (("delegated by", each) for each in rule.get("parents", []))
        yield from (("attached to", each) for each in rule.get("listeners", []))
    else:
        yield from _named(found, {"route": "Route"})
    if conditions := found.get("conditions"):
        yield "Matches", ", ".join(conditions)
    for place, each in enumerate(found.get("nearMisses", [])):
        yield "" if place else "Not", f"{each['route']}: {each['reason']}"
    yield from _policies(rule or {})
    filters = [each["name"] for each in found.get("filters", [])]
    if filters:
        yield "Filters", ", ".join(filters)
    yield from _answer(found, grpc)
    for each in found.get("destinations", []):
        yield from _destination(each, asked)
    yield from _handling(found)


def _policies(found: Json) -> Iterator[tuple[str, str]]:
    """Yield the effective fields of the policies of a listener, or of a rule."""
    for place, each in enumerate(found.get("policies", [])):
        yield "" if place else "Policies", _policy(each)


def _policy(found: Json) -> str:
    value = found["value"]
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = f"{found['field']} = {shown}  from {found['policy']} ({found['level']})"
    return f"{text}: {found['problem']}" if "problem" in found else text


def _answer(found: Json, grpc: bool) -> Iterator[tuple[str, str]]:
    if status := found.get("status"):
        of_grpc = ", as a status of gRPC" if grpc else ""
        location = f" to {found['location']}" if "location" in found else ""
        yield "Answer", f"{status}{location}, by the gateway itself{of_grpc}"
    yield from _named(found, {"body": "Body"})
    yield from _changes("Response headers", found.get("responseChanges", []))


def _destination(found: Json, asked: Json) -> Iterator[tuple[str, str]]:
    share = f" ({_percent(found['share'])})" if found["share"] < 1 else ""
    yield "Backend", f"{found.get('backend', found['cluster'])}{share}"
    yield "  cluster", found["cluster"]
    yield "  endpoints", ", ".join(found.get("endpoints", [])) or "none"
    if "host" in found and found["host"] != asked["host"]:
        yield "  Host becomes", found["host"]
    if "path" in found and found["path"] != asked["path"]:
        yield "  path becomes", found["path"]
    yield from _changes("  request headers", found.get("changes", []))
    yield from _changes("  response headers", found.get("responseChanges", []))
    if "status" in found:
        yield "  answer", f"{found['status']}, by the gateway itself"


def _changes(title: str, changes: Iterable[Json]) -> Iterator[tuple[str, str]]:
    for place, each in enumerate(changes):
        value = f": {each.get('value', '')}" if each["action"] != "remove" else ""
        yield "" if place else title, f"{each['action']} {each['name']}{value}"


def _handling(found: Json) -> Iterator[tuple[str, str]]:
    for each in found.get("mirrors", []):
        yield "Mirror", f"{each['cluster']} ({_percent(each['share'])})"
    if "timeout" in found:
        yield "Timeout", _seconds(found["timeout"])
    if "idleTimeout" in found:
        yield "Idle timeout", _seconds(found["idleTimeout"])
    if retries := found.get("retries"):
        per_try = f", {_seconds(retries['perTryTimeout'])} each" if "perTryTimeout" in retries else ""
        statuses = f" {' '.join(map(str, retries['statuses']))}" if "statuses" in retries else ""
        then = f", at {', then at '.join(retries['then'])}" if "then" in retries else ""
        yield "Retries", f"{retries['attempts']}{per_try}, on {retries['conditions']}{statuses}{then}"


def _seconds(value: float) -> str:
    return f"{value:g} s" if value else "none"


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"
