"""Databases of addresses in MaxMind's format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

Entries = Mapping[str, Mapping[str, Any]]


def city(country: str, region: str, name: str) -> dict[str, Any]:
    """Return what a database of cities says of an address."""
    return {
        "country": {"iso_code": country},
        "subdivisions": [{"iso_code": region}],
        "city": {"names": {"en": name}},
    }


def write(file: Path, kind: str, entries: Entries) -> None:
    """Write a database of a kind, such as GeoIP2-City; one that there is goes on being read as it was until then."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind, languages=["en"], int_type="u32")
    for network, found in entries.items():
        writer.insert_network(IPSet([network]), dict(found))
    new = file.with_suffix(".new")
    writer.to_db_file(str(new))
    new.replace(file)
