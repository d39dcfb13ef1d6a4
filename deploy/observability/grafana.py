"""Grafana dashboards as JSON: rows of panels, each with a description and its expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

COLUMNS: Final = 24
"""The width of a dashboard, in Grafana's units."""
HEIGHT: Final = 8
SCHEMA: Final = 39
"""The version of the schema, of Grafana 10.4: later ones read it."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel with graphs over time.

    Attributes:
        title: its title.
        text: its description: what it shows, and what to do about it.
        queries: expressions of PromQL by their legends.
        unit: Grafana's name of the unit.
        stacked: whether the graphs are stacked.
        is_number: whether the present values are shown in place of graphs.
    """

    title: str
    text: str
    queries: Mapping[str, str]
    unit: str = "short"
    stacked: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels of equal width."""

    title: str
    panels: Sequence[Panel]


def dashboard(uid: str, title: str, text: str, gateways: str, rows: Iterable[Row]) -> dict[str, Any]:
    """Return a dashboard.

    Args:
        uid: its identity in Grafana, which links refer to.
        title: its title.
        text: its description.
        gateways: the series whose label `gateway` has the values that a reader can choose from.
        rows: its rows.
    """
    return {
        "uid": uid,
        "title": title,
        "description": text,
        "tags": ["headgate", "envoy", "gateway-api"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _gateways(gateways)]},
        "panels": list(_placed(rows)),
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _gateways(series: str) -> dict[str, Any]:
    return {
        "name": "gateway",
        "label": "Gateway",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({series}, gateway)", "refId": "gateways"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield rows and panels with their places, from the top left on."""
    number, top = 1, 0
    for row in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        number, top = number + 1, top + 1
        width = COLUMNS // len(row.panels)
        for index, panel in enumerate(row.panels):
            yield _panel(panel, number, {"x": index * width, "y": top, "w": width, "h": HEIGHT})
            number += 1
        top += HEIGHT


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": panel.is_number,
            "range": not panel.is_number,
        }
        for index, (legend, expression) in enumerate(panel.queries.items())
    ]
    custom = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom |= {"fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.is_number:
        options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    else:
        defaults["custom"] = custom
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    }
