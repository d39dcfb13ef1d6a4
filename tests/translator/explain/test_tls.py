"""Connections by TLS: the server name chooses the listener, whatever the Host says."""

from __future__ import annotations

import base64

from tests.certificates import key_pair
from tests.translator.explain.worlds import GATEWAY, SHOP, one, route

TLS = "tls: {certificateRefs: [{name: cert}]}"
CERTIFICATE, KEY = (base64.b64encode(each.encode()).decode() for each in key_pair("one")[:2])
SECRET = f"""
---
apiVersion: v1
kind: Secret
metadata: {{name: cert}}
data: {{tls.crt: {CERTIFICATE}, tls.key: {KEY}}}
"""
LISTENERS = (
    f"[{{name: one, port: 443, protocol: HTTPS, hostname: one.test, {TLS}}},"
    f" {{name: two, port: 443, protocol: HTTPS, hostname: '*.two.test', {TLS}}}]"
)
WORLD = (
    GATEWAY.replace("[{name: http, port: 80, protocol: HTTP}]", LISTENERS)
    + SECRET
    + route(f"[{SHOP}]", hostnames="[one.test]")
)


def test_the_server_name_chooses_the_filter_chain() -> None:
    """The request is served by the listener of its name."""
    found = one(WORLD, "https://one.test/")
    assert found.served
    assert (found.filter_chain, found.virtual_host) == ("port-443/one.test", "one.test")
    assert found.outcomes[0].rule is not None
    assert found.outcomes[0].rule.listeners == ("listener one of Gateway default/web",)


def test_a_host_of_another_listener_is_misdirected() -> None:
    """On a connection with the certificate of one listener, a Host of another gets 421."""
    found = one(WORLD, "https://a.two.test/", "GET", "Host: one.test")
    assert [each.status for each in found.outcomes] == [421]
    assert "the host one.test is that of another listener" in found.problems[0]


def test_an_unknown_server_name_is_closed() -> None:
    """No filter chain takes the connection; the nearest name is told."""
    found = one(WORLD, "https://on.test/")
    assert found.problems == (
        "port 443 closes connections to the TLS server name on.test (did you mean one.test?); "
        "it serves *.two.test, one.test",
    )
    assert "without a TLS server name" in one(WORLD, "https://127.0.0.1/").problems[0]


def test_plain_requests_to_tls_fail() -> None:
    """A port whose listeners all have hostnames takes no connection without TLS."""
    assert one(WORLD, "http://one.test:443/").problems[0].startswith("port 443 takes no connections without TLS")
    anyone = WORLD.replace("hostname: one.test, ", "")
    assert one(anyone, "http://one.test:443/").problems == ("port 443 terminates TLS: use https",)
