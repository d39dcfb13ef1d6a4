"""Backends: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.headgate.backend import HeadgateBackend

HOST = "host: 10.0.0.1, port: 80"


def backend(spec: str) -> dict[str, Any]:
    """Return a Backend with a spec."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "a"},
        "spec": raw(f"{{{spec}}}"),
    }


def static(hosts: str, rest: str = "") -> dict[str, Any]:
    """Return a Backend with these hosts."""
    return backend(f"static: {{hosts: [{hosts}]{rest}}}")


def group(members: str, count: int = 1) -> dict[str, Any]:
    """Return a Backend of so many groups with these members."""
    return backend(f"priorityGroups: [{', '.join([f'{{backendRefs: [{members}]}}'] * count)}]")


def forward_proxy(field: str, values: list[str]) -> dict[str, Any]:
    """Return a forward proxy with a list."""
    return backend(f"dynamicForwardProxy: {{{field}: {values}}}")


def ec2(filters: str, rest: str = "") -> dict[str, Any]:
    """Return instances of EC2 with these filters."""
    return backend(f"aws: {{ec2: {{filters: [{filters}]{rest}}}}}")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (backend(""), "spec: exactly one of"),
        (static(""), "spec.static.hosts"),
        (static("{port: 80}"), "spec.static.hosts[0]: must have exactly one of host and unix"),
        (static("{host: a, port: 80, unix: /a}"), "spec.static.hosts[0]: must have exactly one of host and unix"),
        (static("{host: a}"), "spec.static.hosts[0].port: is required for a host"),
        (static("{unix: /a, port: 80}"), "spec.static.hosts[0].port: must not be set for a socket of Unix"),
        (static("{unix: '@a'}"), "spec.static.hosts[0].unix"),
        (static("{unix: a}"), "spec.static.hosts[0].unix"),
        (static("{unix: '/a b'}"), "spec.static.hosts[0].unix"),
        (static("{host: 'a/b', port: 80}"), "spec.static.hosts[0].host"),
        (static("{host: 'a b', port: 80}"), "spec.static.hosts[0].host"),
        (static("{host: '[::1]', port: 80}"), "spec.static.hosts[0].host"),
        (static("{host: 'fe80::1%eth0', port: 80}"), "spec.static.hosts[0].host"),
        (static("{host: '', port: 80}"), "spec.static.hosts[0].host"),
        (static("{host: a, port: 0}"), "spec.static.hosts[0].port"),
        (static(f"{{{HOST}, zone: 'a b'}}"), "spec.static.hosts[0].zone"),
        (static(f"{{{HOST}, fallback: true}}"), "spec.static.hosts: must have a host that is no fallback"),
        (static(f"{{{HOST}}}, {{{HOST}, weight: 2}}"), "spec.static.hosts[1]: must not be there twice"),
        (static(f"{{{HOST}}}", ", appProtocol: kubernetes.io/h3"), "spec.static.appProtocol"),
        (backend(f"static: {{hosts: [{{{HOST}}}]}}, dynamicForwardProxy: {{}}"), "spec: exactly one of"),
        (backend("priorityGroups: []"), "spec.priorityGroups"),
        (backend("priorityGroups: [{backendRefs: []}]"), "spec.priorityGroups[0].backendRefs"),
        (backend("priorityGroups: [{backendRefs: [{name: a}]}]"), "spec.priorityGroups[0].backendRefs[0].port"),
        (group("{name: a, port: 1, weight: -1}"), "spec.priorityGroups[0].backendRefs[0].weight"),
        (group("{name: a, port: 1}, {name: a, port: 1, weight: 2}"), "spec.priorityGroups[0].backendRefs[1]"),
        (backend("dynamicForwardProxy: {enableTls: 'yes'}"), "spec.dynamicForwardProxy.enableTls"),
        (backend("dynamicForwardProxy: {allowedHosts: ['a.*']}"), "spec.dynamicForwardProxy.allowedHosts[0]"),
        (backend("dynamicForwardProxy: {allowedHosts: ['a:80']}"), "spec.dynamicForwardProxy.allowedHosts[0]"),
        (backend("dynamicForwardProxy: {allowedHosts: [a, a]}"), "spec.dynamicForwardProxy.allowedHosts[1]"),
        (backend("dynamicForwardProxy: {allowPrivate: [10]}"), "spec.dynamicForwardProxy.allowPrivate[0]"),
        (backend("dynamicForwardProxy: {allowPrivate: [10.0.0.0/33]}"), "spec.dynamicForwardProxy.allowPrivate[0]"),
        (ec2("{}"), "spec.aws.ec2.filters[0]: must have exactly one of key and keyValue"),
        (ec2("{key: a, keyValue: {key: a, value: b}}"), "spec.aws.ec2.filters[0]: must have exactly one of key and"),
        (ec2("{keyValue: {key: a}}"), "spec.aws.ec2.filters[0].keyValue.value"),
        (ec2("{key: ''}"), "spec.aws.ec2.filters[0].key"),
        (ec2(""), "spec.aws.ec2.filters"),
        (ec2(", ".join(["{key: a}"] * 17)), "spec.aws.ec2.filters"),
        (ec2("{key: a}", ", port: 0"), "spec.aws.ec2.port"),
        (ec2("{key: a}", ", addressType: IPv6"), "spec.aws.ec2.addressType"),
        (backend("gcp: {}"), "spec.gcp.host"),
        (backend("gcp: {host: Hello.run.app}"), "spec.gcp.host"),
        (backend("gcp: {host: 10.0.0.1}"), "spec.gcp.host"),
        (backend("gcp: {host: 'hello.run.app:443'}"), "spec.gcp.host"),
        (backend("gcp: {host: '*.run.app'}"), "spec.gcp.host"),
        (backend("gcp: {host: hello.run.app, port: 0}"), "spec.gcp.port"),
        (backend("gcp: {host: hello.run.app, audience: ''}"), "spec.gcp.audience"),
        (backend("gcp: {host: hello.run.app, audience: 'https://a/?x=1&format=full'}"), "spec.gcp.audience"),
        (backend("gcp: {host: hello.run.app, audience: 'https://a b'}"), "spec.gcp.audience"),
        (backend("gcp: {host: hello.run.app, audience: 'https://me@a'}"), "spec.gcp.audience"),
        (backend("gcp: {host: hello.run.app, tokenHeader: Cookie}"), "spec.gcp.tokenHeader"),
        (backend("aws: {}"), "spec.aws: exactly one of lambda and ec2 must be set"),
        (backend("aws: {lambda: {functionName: a}, ec2: {filters: [{key: a}]}}"), "spec.aws: exactly one of lambda"),
        (backend("aws: {lambda: {functionName: a}}"), "spec.aws.accountId: is required for lambda"),
    ],
)
def test_wrong_values(manifest: dict[str, Any], error: str) -> None:
    """Each wrong value is told at its path."""
    assert any(each.startswith(error) for each in errors(manifest)), errors(manifest)


def test_the_type_is_not_read() -> None:
    """A type beside the member, as other gateways have it, changes nothing."""
    found = valid(HeadgateBackend, backend(f"type: AWS, static: {{hosts: [{{{HOST}}}]}}"))
    assert found.spec.member == "static"


@pytest.mark.parametrize(
    ("most", "written"),
    [
        (1024, lambda count: static(", ".join(f"{{host: 10.0.0.1, port: {each}}}" for each in range(1, count + 1)))),
        (128, lambda count: static(f"{{{HOST}, weight: {count}}}")),
        (107, lambda count: static(f"{{unix: /{'a' * (count - 1)}}}")),
        (8, lambda count: group("{name: a, port: 1}", count)),
        (16, lambda count: group(", ".join(f"{{name: a, port: {each}}}" for each in range(1, count + 1)))),
        (1_000_000, lambda count: group(f"{{name: a, port: 1, weight: {count}}}")),
        (64, lambda count: forward_proxy("allowedHosts", [f"h{each}" for each in range(count)])),
        (64, lambda count: forward_proxy("allowPrivate", [f"10.{each}.0.1" for each in range(count)])),
    ],
)
def test_the_most(most: int, written: Any) -> None:
    """So many hosts, so high a weight and so long a path are valid, and one more is not."""
    assert valid(HeadgateBackend, written(most)).spec.member
    assert errors(written(most + 1))
