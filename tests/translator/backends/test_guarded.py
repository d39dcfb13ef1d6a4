"""Which hosts policies and backends may name: not what trusts the proxies' own machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from translator.backends.guarded import address_fault, url_fault
from translator.inputs import Settings, in_cluster
from translator.own_addresses import OwnAddress

LOCAL = (
    "127.0.0.1",
    "::1",
    "::ffff:169.254.169.254",
    "169.254.169.254",
    "100.100.100.200",
    "0.0.0.0",
    "2130706433",
    "localhost",
    "IDP.localhost.",
    "metadata.google.internal",
)
OTHERS = ("idp.example.com", "10.0.0.1", "203.0.113.1", "2001:db8::1")


@pytest.mark.parametrize("host", LOCAL)
def test_nothing_is_fetched_from_the_machine(host: str) -> None:
    """Keys and tokens come from no address of the proxies' machine or link, but with the option for tests."""
    assert url_fault(in_cluster(), host, 443)
    assert url_fault(replace(in_cluster(), allow_http_issuers=True), host, 443) == ""
    assert address_fault(replace(in_cluster(), allow_http_issuers=True), host, 443)


@pytest.mark.parametrize("host", [*OTHERS, "keycloak.auth.svc.cluster.local"])
def test_others_are_asked(host: str) -> None:
    """Keys and tokens may come from any other host, one of the cluster included."""
    assert url_fault(in_cluster(), host, 443) == ""


@pytest.mark.parametrize("settings", [Settings(), Settings(allow_http_issuers=True)])
def test_headgates_own_ports_are_never_asked(settings: Settings) -> None:
    """At a port of Headgate's own nothing is fetched, by whatever name."""
    own = Settings(own=(OwnAddress(19000, "the administration"),), allow_http_issuers=settings.allow_http_issuers)
    assert "19000" in url_fault(own, "idp.example.com", 19000)
