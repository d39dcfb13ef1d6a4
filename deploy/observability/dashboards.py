"""The dashboards of the chart: one of Headgate, one of the proxies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deploy.observability import envoy
from deploy.observability.envoy import CODE_CLASS
from deploy.observability.grafana import Panel, Row, dashboard
from deploy.observability.promql import (
    BACKENDS,
    ERRORS,
    GATEWAY,
    LISTENERS,
    OWN,
    SELECTED,
    by,
    by_backend,
    quantile,
    rate,
    series,
)
from headgate.observability import definitions as d
from headgate.observability.definitions import MetricDefinition

OF_GATEWAY: Final = {**SELECTED, **LISTENERS}
OF_BACKEND: Final = {**SELECTED, **BACKENDS}


def _share(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"


def _grouped(labels: str, expression: str, how: str = "sum") -> Mapping[str, str]:
    """Return an aggregation by labels, with their values as its legend."""
    legend = " ".join(f"{{{{{each}}}}}" for each in labels.split(", "))
    return {legend: by(labels, expression, how)}


def _rates(title: str, text: str, labels: str, metric: MetricDefinition, unit: str = "cps") -> Panel:
    """Return a panel of the rates of a counter, by labels."""
    return Panel(title, text, _grouped(labels, rate(metric)), unit)


PROXIES: Final = (
    Row(
        "Clients",
        (
            Panel(
                "Requests",
                "Responses to clients, a second.",
                _grouped(GATEWAY, rate(envoy.REQUESTS, **OF_GATEWAY)),
                "reqps",
            ),
            Panel(
                "Errors",
                "The share of responses with a status of 500 and above, from backends or from the proxy itself.",
                {
                    "{{gateway}}": _share(
                        by(GATEWAY, rate(envoy.REQUESTS, **OF_GATEWAY, **ERRORS)),
                        by(GATEWAY, rate(envoy.REQUESTS, **OF_GATEWAY)),
                    )
                },
                "percentunit",
            ),
            Panel(
                "Duration",
                "How long requests take, from their first byte to the last one of the response.",
                {
                    f"{{{{gateway}}}} p{round(100 * share)}": quantile(share, envoy.REQUEST_TIME, GATEWAY, **OF_GATEWAY)
                    for share in (0.5, 0.95, 0.99)
                },
                "ms",
            ),
        ),
    ),
    Row(
        "",
        (
            Panel(
                "Responses by class",
                "Responses to clients by the first digit of their status.",
                {"{{envoy_response_code_class}}xx": by(CODE_CLASS, rate(envoy.REQUESTS, **OF_GATEWAY))},
                "reqps",
                stacked=True,
            ),
            Panel(
                "Connections",
                "Open connections of HTTP clients, and requests that are being served.",
                {
                    "{{gateway}} connections": by(GATEWAY, series(envoy.CONNECTIONS, **OF_GATEWAY)),
                    "{{gateway}} requests": by(GATEWAY, series(envoy.ACTIVE_REQUESTS, **OF_GATEWAY)),
                },
            ),
            Panel(
                "Bytes",
                "Bytes from and to HTTP clients, a second.",
                {
                    "{{gateway}} received": by(GATEWAY, rate(envoy.RECEIVED, **OF_GATEWAY)),
                    "{{gateway}} sent": by(GATEWAY, rate(envoy.SENT, **OF_GATEWAY)),
                },
                "Bps",
            ),
        ),
    ),
    Row(
        "Backends",
        (
            Panel(
                "Requests to backends",
                "Responses of backends, a second.",
                {"{{gateway}} {{backend}}": by_backend(rate(envoy.UPSTREAM_REQUESTS, **OF_BACKEND))},
                "reqps",
            ),
            Panel(
                "Errors of backends",
                "The share of the responses of a backend with a status of 500 and above.",
                {
                    "{{gateway}} {{backend}}": _share(
                        by_backend(rate(envoy.UPSTREAM_REQUESTS, **OF_BACKEND, **ERRORS)),
                        by_backend(rate(envoy.UPSTREAM_REQUESTS, **OF_BACKEND)),
                    )
                },
                "percentunit",
            ),
            Panel(
                "Duration at backends",
                "How long backends take for 95 % of requests.",
                {"{{envoy_cluster_name}}": quantile(0.95, envoy.UPSTREAM_TIME, envoy.CLUSTER, **OF_BACKEND)},
                "ms",
            ),
        ),
    ),
    Row(
        "",
        (
            Panel(
                "Healthy endpoints",
                "Endpoints of a backend that get requests, of all that it has; without one its requests get 503.",
                {
                    "{{gateway}} {{backend}} healthy": by_backend(series(envoy.HEALTHY, **OF_BACKEND), "min"),
                    "{{gateway}} {{backend}} all": by_backend(series(envoy.MEMBERS, **OF_BACKEND), "max"),
                },
            ),
            Panel(
                "Failures at backends",
                "Connections that failed, requests that timed out or that a circuit breaker refused, and retries.",
                {
                    "{{gateway}} {{backend}} connect": by_backend(rate(envoy.UPSTREAM_CONNECT_FAILURES, **OF_BACKEND)),
                    "{{gateway}} {{backend}} timeout": by_backend(rate(envoy.UPSTREAM_TIMEOUTS, **OF_BACKEND)),
                    "{{gateway}} {{backend}} circuit": by_backend(rate(envoy.UPSTREAM_OVERFLOW, **OF_BACKEND)),
                    "{{gateway}} {{backend}} retry": by_backend(rate(envoy.UPSTREAM_RETRIES, **OF_BACKEND)),
                },
                "reqps",
            ),
        ),
    ),
    Row(
        "Proxies",
        (
            Panel(
                "Live proxies",
                "Proxies that accept connections; those that are about to stop do not count.",
                _grouped(GATEWAY, series(envoy.LIVE, **SELECTED)),
            ),
            Panel(
                "Memory",
                "Memory that a proxy uses, and what it has from the system.",
                {
                    "{{pod}} used": by("pod", series(envoy.MEMORY, **SELECTED)),
                    "{{pod}} physical": by("pod", series(envoy.MEMORY_PHYSICAL, **SELECTED)),
                },
                "bytes",
            ),
            Panel(
                "Overload",
                "How near a proxy is to its limits of memory and connections; it refuses requests at the first.",
                {
                    "{{pod}} memory": by("pod", series(envoy.HEAP_PRESSURE, **SELECTED), "max"),
                    "{{pod}} connections": by("pod", series(envoy.CONNECTIONS_PRESSURE, **SELECTED), "max"),
                },
                "percent",
            ),
            Panel(
                "Connected to Headgate",
                "Whether proxies are connected; one that is not keeps its last configuration.",
                _grouped("pod", series(envoy.CONNECTED, **SELECTED), "min"),
            ),
        ),
    ),
    Row(
        "Models",
        (
            Panel(
                "Tokens",
                "Tokens of requests and answers, a second, by the model or the pattern of the rule.",
                _grouped("model, type", rate(envoy.TOKENS, **SELECTED, type='=~"input|output"')),
            ),
            Panel(
                "Cost",
                "What models cost, in USD an hour, by the prices of their rules.",
                {"{{model}} {{provider}}": f"{by('model, provider', rate(envoy.COST, **SELECTED))} * 3600 / 1e6"},
                "currencyUSD",
            ),
            Panel(
                "Duration of answers",
                "How long answers take in all, for 95 in 100 requests.",
                {"{{model}}": quantile(0.95, envoy.ANSWER_TIME, "model", **SELECTED)},
                "ms",
            ),
            Panel(
                "First byte",
                "How long it takes until an answer begins, for 95 in 100 requests.",
                {"{{model}}": quantile(0.95, envoy.FIRST_BYTE_TIME, "model", **SELECTED)},
                "ms",
            ),
        ),
    ),
)

HEADGATE: Final = (
    Row(
        "State",
        (
            Panel(
                "Leaders",
                "Replicas that lead: exactly one deploys proxies and writes statuses.",
                {"leaders": by("", series(d.LEADING))},
                is_number=True,
            ),
            Panel(
                "Proxies that are not ready",
                "Proxies that are wanted and not ready; the condition Programmed of their Gateway says why.",
                {
                    "proxies": by("", by(GATEWAY, series(d.PROXIES_WANTED), "max"))
                    + " - "
                    + by("", by(GATEWAY, series(d.PROXIES_READY), "max"))
                },
                is_number=True,
            ),
            Panel(
                "Problems",
                "Problems of reading the cluster, or files; `headgate status` lists them.",
                _grouped("severity", series(d.DIAGNOSTICS), "max"),
                is_number=True,
            ),
            Panel(
                "Missing targets of policies",
                "Targets of policies that do not exist, so that the policies have no effect there.",
                {"targets": by("", series(d.POLICY_TARGETS_MISSING), "max")},
                is_number=True,
            ),
        ),
    ),
    Row(
        "Configuration",
        (
            Panel(
                "Proxies without the newest configuration",
                "Streams of proxies that have not accepted all; for long, a proxy rejects it or does not answer.",
                {
                    "{{gateway}}": by(GATEWAY, series(d.XDS_CLIENTS, **SELECTED))
                    + " - "
                    + by(GATEWAY, series(d.XDS_CLIENTS_SYNCED, **SELECTED))
                },
            ),
            Panel(
                "From an edit to its acceptance",
                "How long it takes from a change of objects to its acceptance by a proxy, for half and for 99 %.",
                {
                    "p50": quantile(0.5, d.XDS_CHANGE_SECONDS),
                    "p99": quantile(0.99, d.XDS_CHANGE_SECONDS),
                },
                "s",
            ),
            _rates(
                "Rejections",
                "Responses that proxies rejected, by type of resource; statuses name the objects at fault.",
                "type",
                d.XDS_NACKS,
            ),
        ),
    ),
    Row(
        "",
        (
            Panel(
                "Evaluation",
                "How long a change of objects takes to its publication.",
                {"p50": quantile(0.5, d.EVALUATION_SECONDS), "p99": quantile(0.99, d.EVALUATION_SECONDS)},
                "s",
            ),
            _rates("Responses", "Responses to proxies, by type of resource.", "type", d.XDS_RESPONSES),
            _rates("Bytes", "Bytes of responses to proxies, by type of resource.", "type", d.XDS_RESPONSE_BYTES, "Bps"),
            Panel(
                "Streams",
                "Proxies that connect: many of them, again and again, are a sign of a network or a load balancer that "
                "cuts connections. Slowed requests are of clients that ask too often.",
                {"streams": by("", rate(d.XDS_STREAMS)), "slowed": by("", rate(d.XDS_SLOWED))},
                "cps",
            ),
        ),
    ),
    Row(
        "API server",
        (
            _rates(
                "Failed requests",
                "Requests to the API server that failed, by kind and reason.",
                "kind, reason",
                d.WATCH_FAILURES,
            ),
            _rates("Events", "Events of watches, by kind.", "kind", d.WATCH_EVENTS),
            _rates("Writes of statuses", "Writes of statuses, by outcome.", "outcome", d.STATUS_WRITES),
            _rates(
                "Writes of proxies' objects",
                "Writes of the objects of proxies, by outcome; `repaired` for long: another client changes them.",
                "outcome",
                d.DEPLOY_WRITES,
            ),
        ),
    ),
    Row(
        "",
        (
            Panel(
                "Work queues",
                "Gateways whose proxies, and objects whose statuses are to be written; they stay near 0.",
                {
                    "proxies": by("", series(d.DEPLOY_WORKQUEUE_DEPTH), "max"),
                    "statuses": by("", series(d.STATUS_WORKQUEUE_DEPTH), "max"),
                },
            ),
            Panel(
                "Duration of writes",
                "How long 99 % of the writes take.",
                {
                    "proxies": quantile(0.99, d.DEPLOY_WRITE_SECONDS),
                    "statuses": quantile(0.99, d.STATUS_WRITE_SECONDS),
                },
                "s",
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Panel(
                "CPU",
                "CPU time of Headgate, a second; one core is the most, but for the validation of large files.",
                _grouped("pod", rate(d.PROCESS_CPU_SECONDS, **OWN)),
            ),
            Panel(
                "Memory",
                "Resident memory of Headgate, which grows with the number of routes and endpoints.",
                _grouped("pod", series(d.PROCESS_RESIDENT_MEMORY, **OWN)),
                "bytes",
            ),
            Panel(
                "File descriptors",
                "Open file descriptors of Headgate: one for each proxy, and a few more.",
                _grouped("pod", series(d.PROCESS_OPEN_FDS, **OWN)),
            ),
        ),
    ),
)


def dashboards() -> Mapping[str, dict[str, Any]]:
    """Return the dashboards by the names of their files."""
    return {
        "headgate-proxies": dashboard(
            "headgate-proxies",
            "Headgate / Gateways",
            "Requests, backends and proxies of Gateways.",
            series(envoy.LIVE),
            PROXIES,
        ),
        "headgate-controller": dashboard(
            "headgate-controller",
            "Headgate / Control plane",
            "Headgate itself: what it reads, what proxies accept, and what it writes.",
            series(d.XDS_CLIENTS),
            HEADGATE,
        ),
    }
