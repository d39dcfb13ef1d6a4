"""`headgate run` with a web application firewall: a child that inspects requests, once a policy needs it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.headgate.running import Headgate
from tests.headgate.waiting import eventually
from tests.live.waf_service import rules

POLICY = """
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: inspected}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  waf: {anomalyThreshold: 8}
"""
ATTACK = "/a?id=1%27%20or%201=1--&x=<script>alert(1)</script>"


def children(headgate: Headgate) -> list[psutil.Process]:
    """Return the processes of the firewall: the service."""
    assert headgate.process is not None
    return list(_services(psutil.Process(headgate.process.pid)))


def _services(process: psutil.Process) -> Iterator[psutil.Process]:
    for each in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "waf" in each.cmdline():
                yield each


async def test_it_runs_once_a_policy_needs_it(headgate: Headgate) -> None:
    """It is started with the first policy, again when it has ended, and ends with Headgate."""
    headgate.arguments = ("--waf-rules", str(rules()))
    await headgate.start()
    await headgate.answers("/a", 200, within=60)
    assert children(headgate) == []
    headgate.write("policy", POLICY)
    await headgate.answers(ATTACK, 403, within=60)
    await headgate.answers("/a", 200, within=60)
    (before,) = children(headgate)
    before.kill()
    await headgate.answers(ATTACK, 403, within=60)
    await headgate.answers("/a", 200, within=60)
    (after,) = await eventually(lambda: children(headgate))
    assert after.pid != before.pid
    inspecting = after.children()
    assert len(inspecting) == 2
    assert await headgate.end() == 0
    assert not any(each.is_running() for each in (after, *inspecting))


OWN = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: own-{name}}}
spec:
  parentRefs: [{{name: web}}]
  rules:
  - matches: [{{path: {{value: {path}}}}}]
    backendRefs: [{{name: own-{name}, port: 80}}]
---
apiVersion: v1
kind: Service
metadata: {{name: own-{name}}}
spec:
  ports: [{{name: http, port: 80}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: own-{name}, labels: {{kubernetes.io/service-name: own-{name}}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{{name: http, port: {port}}}]
"""


async def test_no_route_leads_to_it(headgate: Headgate) -> None:
    """No route leads to the service, which believes whoever asks it, or to its metrics."""
    headgate.arguments = ("--waf-rules", str(rules()))
    headgate.write("policy", POLICY)
    await headgate.start()
    await headgate.answers(ATTACK, 403, within=60)
    (child,) = children(headgate)
    arguments = child.cmdline()
    for name, path, option in (("service", "/healthz", "--address"), ("metrics", "/metrics", "--http-address")):
        port = arguments[arguments.index(option) + 1].rpartition(":")[2]
        headgate.write(name, OWN.format(name=name, path=path, port=port))
        await headgate.answers(path, 500, within=60)
    assert "Headgate's web application firewall is or may be there" in " ".join(headgate.log.split())


@pytest.mark.slow
async def test_it_ends_if_headgate_is_killed(headgate: Headgate) -> None:
    """It does not outlive Headgate, however that ends."""
    headgate.arguments = ("--waf-rules", str(rules()))
    headgate.write("policy", POLICY)
    await headgate.start()
    await headgate.answers(ATTACK, 403, within=60)
    (child,) = children(headgate)
    await headgate.end(signal.SIGKILL)
    assert await eventually(lambda: not child.is_running())


async def test_without_rules_nothing_runs(headgate: Headgate) -> None:
    """Rules that are named and not there keep Headgate from starting, and the message says where they were sought."""
    headgate.arguments = ("--waf-rules", str(headgate.folder))
    await headgate.start()
    assert headgate.process is not None
    assert await headgate.process.wait() == 1
    assert f"There is no OWASP Core Rule Set in {headgate.folder}" in " ".join(headgate.log.split())
