"""Where clients are: headers for backends, and conditions of `rbac`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.geo_databases import city, write
from tests.live.clients import client_at
from tests.live.listener_policies import apply, problem
from tests.live.objects import Manifest, gateway, listener_policy, route, rule, traffic_policy
from tests.live.processor import Processor
from tests.live.proxy import WITHIN, Proxy, Response
from tests.live.test_listener_filters import filtered
from translator.refs import Ref

MUNICH, PARIS, NOWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
HEADERS = {
    "country": "x-country",
    "region": "x-region",
    "city": "x-city",
    "asn": "x-asn",
    "isp": "x-isp",
    "anonymous": "x-anonymous",
}
FORGED_FIELDS = dict.fromkeys(["region", "asn", "isp", "anonymous"], "forged")
"""What a backend gets that a policy does not name: clients may send it as any other header."""
FORGED = dict.fromkeys([*HEADERS.values(), "x-headgate-geo-country"], "forged")


@pytest.fixture
def databases(tmp_path: Path) -> dict[str, str]:
    """Return databases in which two addresses are, and a third is not."""
    tmp_path.chmod(0o755)
    files = {each: tmp_path / f"{each}.mmdb" for each in ("cityDb", "ispDb", "anonymousDb")}
    write(files["cityDb"], "GeoIP2-City", {MUNICH: city("DE", "BY", "Munich"), PARIS: city("FR", "IDF", "Paris")})
    provider = {"autonomous_system_number": 64496, "autonomous_system_organization": "Example", "isp": "Example ISP"}
    write(files["ispDb"], "GeoIP2-ISP", {MUNICH: provider})
    write(files["anonymousDb"], "GeoIP2-Anonymous-IP", {PARIS: {"is_anonymous": True, "is_anonymous_vpn": True}})
    return {name: str(file) for name, file in files.items()}


def looking_up(databases: dict[str, str], **headers: str) -> Manifest:
    """Return a policy by which a listener looks up where clients are."""
    return listener_policy(httpSettings={"geoIP": {"maxMind": databases, "headers": headers}})


async def ask(proxy: Proxy, address: str, path: str = "/") -> Response:
    """Send a request from an address, with headers that say it is elsewhere."""
    async with client_at(address) as http:
        return await proxy.request(path, headers=FORGED, http=http)


def said(found: Response) -> dict[str, str]:
    """Return what a backend was told."""
    return {field: found.sent(header)[0] for field, header in HEADERS.items() if found.sent(header)}


async def test_backends_are_told(proxy: Proxy, databases: dict[str, str]) -> None:
    """Backends get what the databases say of a client's address, and nothing that a client says by itself."""
    await apply(proxy, looking_up(databases, **HEADERS), route(rule("alpha")))
    assert said(await ask(proxy, MUNICH)) == {
        "country": "DE",
        "region": "BY",
        "city": "Munich",
        "asn": "64496",
        "isp": "Example ISP",
    }
    assert said(await ask(proxy, PARIS)) == {"country": "FR", "region": "IDF", "city": "Paris", "anonymous": "true"}
    found = await ask(proxy, NOWHERE)
    assert said(found) == {}
    assert found.sent("x-headgate-geo-country") == []


async def test_some_headers(proxy: Proxy, databases: dict[str, str]) -> None:
    """Backends get the headers that the policy names, and no others."""
    await apply(proxy, looking_up(databases, country="x-country"), route(rule("alpha")))
    found = await ask(proxy, MUNICH)
    assert found.sent("x-country") == ["DE"]
    assert found.sent("x-city") == ["forged"]
    assert not [
        name
        for name, _ in found.echo["headers"]
        if name.startswith("x-headgate-geo-") and name != "x-headgate-geo-country"
    ]
    assert found.sent("x-headgate-geo-country") == []


def rbac(action: str, default: str = "Deny", **geo: Any) -> Manifest:
    """Return a policy with one rule on where a client is."""
    rules = [{"action": action, "principal": {"geo": geo}}]
    return traffic_policy("gateway", rbac={"rules": rules, "defaultAction": default})


async def let_in(proxy: Proxy) -> list[bool]:
    """Return whether the clients in Munich, in Paris and nowhere are let in."""
    return [(await ask(proxy, each)).status == 200 for each in (MUNICH, PARIS, NOWHERE)]


async def test_who_is_let_in(proxy: Proxy, databases: dict[str, str]) -> None:
    """Rules of `rbac` decide by where a client is, whatever it says by itself; nowhere is no place."""
    await apply(proxy, looking_up(databases), route(rule("alpha")))
    for geo, matched in (
        ({"country": "DE"}, [True, False, False]),
        ({"region": "IDF"}, [False, True, False]),
        ({"city": "Munich", "asn": 64496, "isp": "Example ISP"}, [True, False, False]),
        ({"country": "FR", "asn": 64496}, [False, False, False]),
        ({"country": "forged"}, [False, False, False]),
        ({"anonymous": True}, [False, True, False]),
        ({"anonymous": False}, [True, False, True]),
    ):
        await apply(proxy, rbac("Allow", **geo))
        assert await let_in(proxy) == matched, geo
        await apply(proxy, rbac("Deny", "Allow", **geo))
        assert await let_in(proxy) == [not each for each in matched], geo


async def test_behind_filters_of_the_listener(proxy: Proxy, one: Processor, databases: dict[str, str]) -> None:
    """Behind a listener with filters the address is that of the client too, and headers of clients are removed."""
    await apply(proxy, gateway(filtered(proxy.port, "one")), looking_up(databases, **HEADERS), route(rule("alpha")))
    assert said(await ask(proxy, PARIS)) == {"country": "FR", "region": "IDF", "city": "Paris", "anonymous": "true"}
    assert said(await ask(proxy, NOWHERE)) == {}
    await apply(proxy, rbac("Allow", country="FR"))
    assert await let_in(proxy) == [False, True, False]


async def test_edits_of_listeners_with_filters(proxy: Proxy, one: Processor, databases: dict[str, str]) -> None:
    """An edit is effective at once, also where connections between the two connection managers are there already."""
    await apply(proxy, gateway(filtered(proxy.port, "one")), route(rule("alpha")))
    assert said(await ask(proxy, PARIS)) == dict.fromkeys(HEADERS, "forged")
    await apply(proxy, looking_up(databases, **HEADERS))
    assert said(await ask(proxy, PARIS))["country"] == "FR"


async def test_the_organisation(proxy: Proxy, databases: dict[str, str], tmp_path: Path) -> None:
    """A database of autonomous systems says whose they are."""
    file = tmp_path / "asnDb.mmdb"
    found = {"autonomous_system_number": 64497, "autonomous_system_organization": "Example Net"}
    write(file, "GeoLite2-ASN", {MUNICH: found})
    headers = {"asn": "x-asn", "asnOrganization": "x-organization", "isp": "x-isp"}
    await apply(proxy, looking_up({**databases, "asnDb": str(file)}, **headers), route(rule("alpha")))
    seen = await ask(proxy, MUNICH)
    assert [seen.sent(each) for each in headers.values()] == [["64497"], ["Example Net"], ["Example ISP"]]


async def test_what_is_not_looked_up(proxy: Proxy, databases: dict[str, str]) -> None:
    """Where a listener does not look up what a rule asks for, the rule lets nobody in, and keeps everybody out."""
    some = {"cityDb": databases["cityDb"]}
    for policies in ([], [looking_up(some)]):
        await apply(proxy, *policies, rbac("Deny", "Allow", asn=1), route(rule("alpha")))
        assert await let_in(proxy) == [False] * 3
        await apply(proxy, rbac("Allow", anonymous=False))
        assert await let_in(proxy) == [False] * 3
    conditions = {each["type"]: each for each in proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]}
    assert "gateway.headgate.dev/NoEffect" not in conditions
    await proxy.delete(Ref("ListenerPolicy", "default", "listeners"))
    conditions = {each["type"]: each for each in proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]}
    assert (
        "no listener of Gateway live has httpSettings.geoIP" in conditions["gateway.headgate.dev/NoEffect"]["message"]
    )


async def test_countries_alone(proxy: Proxy, databases: dict[str, str], tmp_path: Path) -> None:
    """A database of countries goes before that of cities; a listener need not look up what its Gateway does."""
    file = tmp_path / "countryDb.mmdb"
    write(file, "GeoLite2-Country", {MUNICH: {"country": {"iso_code": "LI"}}})
    both = {"cityDb": databases["cityDb"], "countryDb": str(file)}
    await apply(proxy, looking_up(both, country="x-country", city="x-city"), route(rule("alpha")))
    assert said(await ask(proxy, MUNICH)) == {**FORGED_FIELDS, "country": "LI", "city": "Munich"}
    await apply(proxy, listener_policy(section="http", name="off", httpSettings={"geoIP": {"disable": {}}}))
    assert said(await ask(proxy, MUNICH)) == dict.fromkeys(HEADERS, "forged")


async def test_a_database_is_replaced(proxy: Proxy, databases: dict[str, str]) -> None:
    """A file that is replaced is read again, without a change of any object."""
    await apply(proxy, looking_up(databases, **HEADERS), route(rule("alpha")))
    assert said(await ask(proxy, MUNICH))["country"] == "DE"
    write(Path(databases["cityDb"]), "GeoIP2-City", {MUNICH: city("AT", "9", "Vienna")})
    async with asyncio.timeout(WITHIN):
        while said(await ask(proxy, MUNICH)).get("country") != "AT":
            pass


async def test_a_file_that_is_not_there(proxy: Proxy, databases: dict[str, str]) -> None:
    """Envoy refuses a listener whose database it cannot read; what it had goes on, and the status says so."""
    await apply(proxy, looking_up(databases, **HEADERS), route(rule("alpha")))
    await apply(proxy, looking_up({**databases, "cityDb": "/nowhere.mmdb"}, **HEADERS), refused=True)
    assert said(await ask(proxy, MUNICH))["country"] == "DE"
    await apply(proxy, looking_up(databases))


@pytest.mark.parametrize(
    ("geo", "message"),
    [
        ({}, "maxMind: names no database"),
        ({"maxMind": {"asnDb": "/a.mmdb"}, "headers": {"city": "x-city"}}, "headers.city: no database has it"),
        (
            {"maxMind": {"cityDb": "/a.mmdb"}, "headers": {"city": "x-c", "country": "X-C"}},
            "headers.city: x-c is that of country",
        ),
    ],
)
async def test_a_wrong_lookup(proxy: Proxy, geo: Manifest, message: str) -> None:
    """A policy that cannot be applied says what is wrong; requests are served without it."""
    await apply(proxy, listener_policy(httpSettings={"geoIP": geo}), route(rule("alpha")))
    assert (await proxy.request()).status == 200
    assert f"httpSettings.geoIP.{message}" in problem(proxy, "Accepted")["message"]
