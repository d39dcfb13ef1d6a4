"""Access logs of ListenerPolicies: sinks, formats and filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.access_logs import FILTERS, LogFile, logs, text_log
from tests.live.log_services import OTLP, access_log_service, collector
from tests.live.objects import Manifest, endpoints, exact, gateway, listener_policy, route, rule, service
from tests.live.processor import Processor, immediate
from tests.live.proxy import Proxy, free_port, running_proxy
from tests.live.test_access_log import NAMED
from tests.live.test_listener_filters import filtered
from tests.live.test_policy_ext_auth import reference_grant
from tests.live.test_tcp import backend, exchange, tcp_route
from tests.live.test_tcp import listener as tcp_listener
from tests.live.upstream import Seen, Upstream
from translator.inputs import Settings

LOCAL_ADDRESS = "envoy.filters.listener.original_dst.local_ip"


async def statuses(proxy: Proxy, *paths: str, **options: Any) -> list[int]:
    """Return the statuses of the responses to requests for paths."""
    return [(await proxy.request(each, **options)).status for each in paths]


async def test_formats(proxy: Proxy) -> None:
    """A line is a text or JSON as the policy has it, each command with what it stands for; the default log is gone."""
    fields = {
        "status": "%RESPONSE_CODE%",
        "who": [{"agent": "%REQ(USER-AGENT)%"}],
        "version": 2,
        "none": "%REQ(X-NONE)%",
    }
    formats = {"stringFormat": "%REQ(:METHOD)% %RESPONSE_CODE% 100%% %ROUTE_NAME%"}, {"jsonFormat": fields}
    await proxy.apply(logs(*({"fileSink": each} for each in formats)), route(rule("alpha", name="named")))
    proxy.access_log.skip()
    assert await statuses(proxy, "/a", headers={"User-Agent": 'a"b'}) == [200]
    text, line = await proxy.access_log.texts(2)
    assert text == f"GET 200 100% {NAMED}"
    assert json.loads(line) == {"status": 200, "who": [{"agent": 'a"b'}], "version": 2, "none": None}
    assert await statuses(proxy, "/a") == [200]
    assert len(await proxy.access_log.texts(2)) == 2


async def test_a_log_is_switched_off(proxy: Proxy) -> None:
    """With an empty list a listener logs nothing; without the policy it logs again."""
    await proxy.apply(logs(), route(rule("alpha")))
    proxy.access_log.skip()
    assert await statuses(proxy, "/quiet") == [200]
    await proxy.apply(logs(text_log("%PATH(NQ)%")))
    assert await statuses(proxy, "/loud") == [200]
    assert await proxy.access_log.texts() == ["/loud"]


async def by_path(seen: Seen) -> Any:
    """Respond with the status that is the path of the request."""
    return web.Response(status=int(seen.path.removeprefix("/")))


async def test_filters(proxy: Proxy, alpha: Upstream) -> None:
    """Each filter takes the requests that it describes, and no others; several logs filter each by itself."""
    alpha.answer = by_path
    found = [text_log(f"{place} %PATH(NQ)%", filter=each) for place, (_, each, _) in enumerate(FILTERS[:15])]
    rest = [text_log(f"{place + 15} %PATH(NQ)%", filter=each) for place, (_, each, _) in enumerate(FILTERS[15:])]
    rules = [rule("alpha", matches=[exact(each)]) for each in ("/200", "/404", "/503")]
    taken: dict[str, list[str]] = {name: [] for name, _, _ in FILTERS}
    for some in (found, rest):
        await proxy.apply(logs(*some, text_log("end %PATH(NQ)%")), route(*rules))
        proxy.access_log.skip()
        for path in ("/200", "/404", "/503", "/missing"):
            await proxy.request(path, headers={"X-Path": path})
        lines = list[str]()
        while sum(each.startswith("end") for each in lines) < 4:
            lines += await proxy.access_log.texts()
        for line in lines:
            place, _, path = line.partition(" ")
            if place != "end":
                taken[FILTERS[int(place)][0]].append(path)
    assert taken == {name: paths for name, _, paths in FILTERS}


async def test_a_share_is_logged(proxy: Proxy) -> None:
    """A share of the requests is logged."""
    sampled = text_log("some", filter={"runtimeFilter": {"percentSampled": "50%"}})
    await proxy.apply(logs(sampled, text_log("all")), route(rule("alpha")))
    proxy.access_log.skip()
    await statuses(proxy, *["/"] * 200)
    lines = list[str]()
    while lines.count("all") < 200:
        lines += await proxy.access_log.texts()
    assert 50 <= lines.count("some") <= 150


async def test_a_service_of_envoys_protocol(proxy: Proxy) -> None:
    """It gets an entry for each request: what was asked for, the route, the response, and the headers asked for."""
    async with access_log_service() as found:
        sink = {
            "backendRef": {"name": "logs", "port": 80},
            "logName": "mine",
            "additionalRequestHeadersToLog": ["X-Tenant"],
            "additionalResponseHeadersToLog": ["Content-Type"],
        }
        await proxy.apply(service("logs"), endpoints("logs", [found.port]), logs({"grpcService": sink}))
        await proxy.apply(route(rule("alpha", name="named")))
        assert await statuses(proxy, "/a?b", headers={"X-Tenant": "red", "X-Other": "1"}) == [200]
        (entry,) = await found.requests.wait(1)
        assert (entry.request.path, entry.response.response_code.value) == ("/a?b", 200)
        assert entry.common_properties.route_name == NAMED
        assert dict(entry.request.request_headers) == {"x-tenant": "red"}
        assert "json" in entry.response.response_headers["content-type"]
        assert found.names == {"mine"}


async def test_trailers(proxy: Proxy) -> None:
    """An entry has trailers that are asked for, of responses of gRPC for example."""
    async with access_log_service() as found, collector() as called:
        for name, port in ("logs", found.port), ("called", called.port):
            await proxy.apply(service(name, app_protocol="kubernetes.io/h2c"), endpoints(name, [port]))
        sink = {"backendRef": {"name": "logs", "port": 80}, "additionalResponseTrailersToLog": ["grpc-status"]}
        await proxy.apply(logs({"grpcService": sink}), route(rule("called")))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
            export = channel.unary_unary(
                f"/{OTLP}/Export", ExportLogsServiceRequest.SerializeToString, ExportLogsServiceResponse.FromString
            )
            await export(ExportLogsServiceRequest())
        (entry,) = await found.requests.wait(1)
        assert dict(entry.response.response_trailers) == {"grpc-status": "0"}


async def test_filter_state(proxy: Proxy, one: Processor) -> None:
    """An entry has filter state that is asked for; that of connections does not fail for what cannot be had."""

    async def refuse(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return immediate(401)

    one.decide = refuse
    async with access_log_service() as found:
        reference = {"backendRef": {"name": "logs", "port": 80}}
        of_requests = {"grpcService": {**reference, "filterStateObjectsToLog": ["headgate.host"]}}
        of_connections = {"grpcService": {**reference, "filterStateObjectsToLog": [LOCAL_ADDRESS]}}
        policy = listener_policy(connectionAccessLog=[of_connections], httpSettings={"accessLog": [of_requests]})
        await proxy.apply(service("logs"), endpoints("logs", [found.port]), policy)
        await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha")))
        assert await statuses(proxy, "/") == [401]
        (entry,) = await found.requests.wait(1)
        state = entry.common_properties.filter_state_objects
        assert b"example.com" in state["headgate.host"].value
        await found.connections.wait(1)  # which has the state only if it can be written as a message


async def test_a_service_of_another_namespace(proxy: Proxy) -> None:
    """It gets entries where a ReferenceGrant permits that, and nothing otherwise, which the status says."""
    async with access_log_service() as found, collector() as otel:
        there: list[Manifest] = []
        for name, port in ("logs", found.port), ("otel", otel.port):
            there += [service(name), *endpoints(name, [port])]
        for each in there:
            each["metadata"]["namespace"] = "other"
        references = ({"backendRef": {"name": name, "namespace": "other", "port": 80}} for name in ("logs", "otel"))
        als, otlp = references
        sinks = [{"grpcService": als}, {"openTelemetry": {"grpcService": otlp}}]
        policy = listener_policy(name="logs", connectionAccessLog=sinks, httpSettings={"accessLog": sinks})
        await proxy.apply(there, policy, route(rule("alpha")))
        assert await statuses(proxy, "/") == [200]
        conditions = proxy.status("ListenerPolicy", "logs")["ancestors"][0]["conditions"]
        resolved = next(each for each in conditions if each["type"] == "ResolvedRefs")
        assert (resolved["status"], resolved["reason"]) == ("False", "RefNotPermitted")
        await proxy.apply(reference_grant("other", "ListenerPolicy", "default", ("", "Service")))
        assert await statuses(proxy, "/granted") == [200]
        (entry,) = await found.requests.wait(1)
        assert entry.request.path == "/granted"
        await otel.records.wait(2)
        await found.connections.wait(1)


async def test_a_collector_of_opentelemetry(proxy: Proxy) -> None:
    """It gets a record for each request, with a body and attributes; by default with the fields of the default log."""
    async with collector() as found:
        reference = {"grpcService": {"backendRef": {"name": "collector", "port": 80}}}
        own = {"body": "%REQ(:METHOD)% %PATH(NQ)%", "attributes": {"status": "%RESPONSE_CODE%"}}
        resource = {"resourceAttributes": {"service.name": "shop"}, "disableBuiltinLabels": True}
        await proxy.apply(
            service("collector"), endpoints("collector", [found.port]), route(rule("alpha", name="named"))
        )
        await proxy.apply(logs({"openTelemetry": {**reference, **own, **resource}}))
        assert await statuses(proxy, "/a") == [200]
        (record,) = await found.records.wait(1)
        assert (record.body, record.attributes) == ("GET /a", {"status": "200"})
        assert record.resource == {"service.name": "shop"}
        await proxy.apply(logs({"openTelemetry": reference}))
        assert await statuses(proxy, "/a") == [200]
        (record,) = await found.records.wait(1)
        assert (record.attributes["route"], record.attributes["response_code"]) == (NAMED, "200")
        assert (record.resource["log_name"], record.resource["cluster_name"]) == ("accessLog", "default/live")


@pytest.mark.parametrize("sink", ["grpcService", "openTelemetry"])
async def test_a_dead_service_costs_no_request(proxy: Proxy, sink: str) -> None:
    """All requests are served while the service has no endpoint, and while nothing is at its endpoint."""
    reference = {"backendRef": {"name": "logs", "port": 80}}
    log = {sink: reference if sink == "grpcService" else {"grpcService": reference}}
    port = free_port()
    await proxy.apply(service("logs"), endpoints("logs", []), logs(log), route(rule("alpha")))
    assert await statuses(proxy, *["/none"] * 50) == [200] * 50
    await proxy.apply(endpoints("logs", [port]))
    assert await statuses(proxy, *["/dead"] * 50) == [200] * 50


async def test_a_service_that_reads_nothing(proxy: Proxy) -> None:
    """Requests are served while a service takes a stream and reads nothing of it."""
    async with access_log_service() as found:
        found.silent = True
        sink = {"backendRef": {"name": "logs", "port": 80}, "additionalRequestHeadersToLog": ["X-Long"]}
        await proxy.apply(service("logs"), endpoints("logs", [found.port]), logs({"grpcService": sink}))
        await proxy.apply(route(rule("alpha")))
        assert await statuses(proxy, *["/"] * 300, headers={"X-Long": "x" * 8000}) == [200] * 300


async def test_a_service_comes_back(proxy: Proxy) -> None:
    """A service that was away gets entries again."""
    port = free_port()
    sink = {"grpcService": {"backendRef": {"name": "logs", "port": 80}}}
    await proxy.apply(service("logs"), endpoints("logs", [port]), logs(sink), route(rule("alpha")))
    for _ in range(2):
        async with access_log_service(port) as found:
            while not found.requests.entries:
                assert await statuses(proxy, "/") == [200]
    assert await statuses(proxy, "/") == [200]


async def test_a_wrong_log_is_left_out(proxy: Proxy) -> None:
    """The others go on; where none is left the default log stays, and the status says why."""
    wrong = [
        text_log("%NOTHING%"),
        {"fileSink": {"path": "/var/log/x"}},
        {"grpcService": {"backendRef": {"name": "no", "port": 80}}},
    ]
    await proxy.apply(logs(*wrong, text_log("good")), route(rule("alpha")))
    proxy.access_log.skip()
    assert await statuses(proxy, "/") == [200]
    assert await proxy.access_log.texts() == ["good"]
    await proxy.apply(logs(*wrong))
    proxy.access_log.skip()
    assert await statuses(proxy, "/") == [200]
    (line,) = await proxy.access_log.lines()
    assert line["response_code"] == 200
    conditions = proxy.status("ListenerPolicy", "logs")["ancestors"][0]["conditions"]
    texts = {each["type"]: each["message"] for each in conditions if each["status"] == "False"}
    assert (
        "httpSettings.accessLog[0].fileSink.stringFormat: %NOTHING%: there is no command NOTHING" in texts["Accepted"]
    )
    assert "httpSettings.accessLog[1].fileSink.path: only /dev/stdout and /dev/stderr" in texts["Accepted"]
    assert "httpSettings.accessLog[2].grpcService.backendRef" in texts["ResolvedRefs"]


async def test_levels(proxy: Proxy) -> None:
    """A listener's policy replaces the logs of its Gateway's; a port's those of all ports."""
    other = free_port()
    listeners = [
        {"name": "http", "protocol": "HTTP", "port": proxy.port},
        {"name": "b", "protocol": "HTTP", "port": other},
    ]
    log = [text_log("gateway %DOWNSTREAM_LOCAL_PORT%")]
    own = [text_log("listener %DOWNSTREAM_LOCAL_PORT%")]
    await proxy.apply(gateway(*listeners), route(rule("alpha")))
    policy = listener_policy(name="all", httpSettings={"accessLog": log})
    policy["spec"]["perPort"] = [{"port": other, "listener": {"httpSettings": {"accessLog": own}}}]
    await proxy.apply(policy)
    proxy.access_log.skip()
    for port in (proxy.port, other):
        await proxy.request(port=port)
    assert sorted(await proxy.access_log.texts(2)) == [f"gateway {proxy.port}", f"listener {other}"]
    await proxy.apply(listener_policy(name="one", section="http", httpSettings={"accessLog": own}))
    await proxy.request()
    assert await proxy.access_log.texts() == [f"listener {proxy.port}"]


async def test_connections(proxy: Proxy) -> None:
    """A log of connections has those that are forwarded, and those of HTTP, in a file and by both protocols."""
    port = free_port()
    async with backend("one") as upstream_port, access_log_service() as als, collector() as otel:
        for name, target in ("tcp", upstream_port), ("als", als.port), ("otel", otel.port):
            await proxy.apply(service(name), endpoints(name, [target]))
        http = {"name": "http", "protocol": "HTTP", "port": proxy.port}
        sinks = [
            text_log("%BYTES_RECEIVED% %DOWNSTREAM_LOCAL_PORT%"),
            {"grpcService": {"backendRef": {"name": "als", "port": 80}}},
            {"openTelemetry": {"grpcService": {"backendRef": {"name": "otel", "port": 80}}}},
        ]
        policy = listener_policy(name="logs", connectionAccessLog=sinks, httpSettings={"accessLog": []})
        await proxy.apply(
            gateway(http, tcp_listener(port)), policy, tcp_route("tcp", port, tcp=1), route(rule("alpha"))
        )
        proxy.access_log.skip()
        await exchange(port, b"hello")
        assert await proxy.access_log.texts() == [f"5 {port}"]
        (entry,) = await als.connections.wait(1)
        assert (entry.connection_properties.received_bytes, als.names) == (5, {"connectionAccessLog"})
        (record,) = await otel.records.wait(1)
        assert record.attributes["upstream_host"] == f"127.0.0.1:{upstream_port}"
        await proxy.request()
        (text,) = await proxy.access_log.texts()
        assert text.endswith(f" {proxy.port}")


async def test_a_folder_of_the_operator(envoy_path: Path, upstreams: dict[str, Upstream], tmp_path: Path) -> None:
    """Files may be in the folder that the operator allows, and nowhere else; edits lose no line."""
    async with running_proxy(envoy_path, Settings(access_log_folder=str(tmp_path))) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}), service("alpha"))
        await proxy.apply(endpoints("alpha", [upstreams["alpha"].port]), route(rule("alpha")))
        file = LogFile(tmp_path / "requests.log")
        sink = {"path": str(file.path), "stringFormat": "%PATH(NQ)%"}
        for path in ("/a", "/b"):
            await proxy.apply(logs({"fileSink": sink}, text_log(path)))
            assert await statuses(proxy, path) == [200]
            assert await file.texts() == [path]
        outside = (f"{tmp_path}/../x", str(tmp_path), f"{tmp_path}x/a", f"{tmp_path}/", f"{tmp_path}//a", "/etc/x")
        for wrong in outside:
            await proxy.apply(logs({"fileSink": {"path": wrong}}))
            conditions = proxy.status("ListenerPolicy", "logs")["ancestors"][0]["conditions"]
            accepted = next(each for each in conditions if each["type"] == "Accepted")
            assert (accepted["status"], accepted["reason"]) == ("False", "NotAllowed"), wrong
            assert f"or a file in {tmp_path}" in accepted["message"]
