"""Where the addresses of clients are (Envoy's ``geoip``): the unit `geoIP` of ListenerPolicies.

Envoy's filter writes headers, and leaves those that a client has sent where an address is in no database: so they are
removed before. Filters below read metadata, whatever the headers are called; those that no backend is to have are
removed again. Envoy reports a bug of its own for each request that has a field looked up in a database that it does not
have, so that only such fields are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.geoip.v3.geoip_pb2 import Geoip
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2 import (
    Config as HeaderToMetadata,
)
from headgate_proto.envoy.extensions.geoip_providers.maxmind.v3.maxmind_pb2 import MaxMindConfig
from translator.envoy.geo import FIELDS, LOOKED_UP, NAMESPACE
from translator.envoy.hooks import HttpFiltersHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.geoip import GeoHeaders, GeoIP, MaxMindDatabases
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome, Problem

HEADERS: Final = "headgate.geo.headers"
LOOKUP: Final = "envoy.filters.http.geoip"
METADATA: Final = "headgate.geo.metadata"
PREFIX: Final = "x-headgate-geo-"
"""What the headers begin with that no backend gets."""
PATHS: Final = {
    "city_db": "city_db_path",
    "country_db": "country_db_path",
    "asn_db": "asn_db_path",
    "isp_db": "isp_db_path",
    "anonymous_db": "anon_db_path",
}
"""The fields of ``MaxMindConfig``, by those of models."""
DATABASES: Final = {
    "country": ("country_db", "city_db"),
    "region": ("city_db",),
    "city": ("city_db",),
    "asn": ("asn_db", "isp_db"),
    "asn_organization": ("asn_db",),  # that of ISPs has the organization that uses an address in its place
    "isp": ("isp_db",),
    "anonymous": ("anonymous_db",),
}
"""In which databases a field is: one of them is needed."""
KEYS: Final = {"asn_organization": "asn_org", "anonymous": "anon"}
"""The names of fields in ``GeolocationFieldKeys`` that are others than in models."""


@dataclass(frozen=True, slots=True)
class PlaceLookup(ListenerSetting, HttpFiltersHook):
    """Looks up where clients are.

    Attributes:
        paths: the files of the databases, by the fields of ``MaxMindConfig``.
        headers: the headers in which Envoy writes the fields that are in these databases, by the names of the fields.
        kept: the fields that backends get.
    """

    of_routes: ClassVar[bool] = True
    paths: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    kept: frozenset[str] = frozenset()

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filters: against headers of clients, for the lookup, and for the metadata."""
        yield HttpFilter(Stage.GEO_HEADERS, HEADERS, self._clean, disabled=False)
        yield HttpFilter(Stage.GEOIP, LOOKUP, self._lookup, disabled=False)
        yield HttpFilter(Stage.GEO_METADATA, METADATA, self._metadata, disabled=False)

    def _clean(self) -> HeaderMutation:
        made = HeaderMutation()
        matcher = made.mutations.request_mutations.add().remove_on_match.key_matcher
        matcher.prefix, matcher.ignore_case = PREFIX, True
        for field, header in self.headers:
            if field in self.kept:
                made.mutations.request_mutations.add(remove=header)
        return made

    def _lookup(self) -> Geoip:
        config, made = MaxMindConfig(), Geoip()
        for name, path in self.paths:
            setattr(config, name, path)
        keys = config.common_provider_config.geo_field_keys
        for field, header in self.headers:
            setattr(keys, KEYS.get(field, field), header)
        made.provider.name = "envoy.geoip_providers.maxmind"
        made.provider.typed_config.Pack(config, deterministic=True)
        return made

    def _metadata(self) -> HeaderToMetadata:
        made = HeaderToMetadata()
        for field, header in self.headers:
            rule = made.request_rules.add(header=header, remove=field not in self.kept)
            rule.on_header_present.metadata_namespace, rule.on_header_present.key = NAMESPACE, field
            known = made.request_rules.add(header=":path").on_header_present
            known.metadata_namespace, known.key, known.value = NAMESPACE, f"{LOOKED_UP}{field}", "true"
        return made


def read(context: PolicyContext) -> ListenerOutcome:
    """Read the effective databases and headers."""
    found = context.effective.value
    assert isinstance(found, GeoIP)
    if found.disable is not None:
        return Outcome(())
    databases = found.max_mind or MaxMindDatabases()
    paths = {name: path for name in PATHS if (path := getattr(databases, name)) is not None}
    given = {name: header for name in FIELDS if (header := getattr(found.headers or GeoHeaders(), name)) is not None}
    faults = [*_faults(paths, given)]
    if faults:
        return Outcome(None, tuple(Problem("Accepted", "Invalid", f"{context.field}.{each}.") for each in faults))
    fields = [each for each in FIELDS if any(name in paths for name in DATABASES[each])]
    headers = tuple((each, given.get(each) or PREFIX + each.replace("_", "-")) for each in fields)
    named = tuple((PATHS[name], path) for name, path in paths.items())
    return Outcome((PlaceLookup(named, headers, frozenset(given)),))


def _faults(paths: dict[str, str], headers: dict[str, str]) -> Iterator[str]:
    if not paths:
        known = ", ".join(map(_database, PATHS))
        yield f"maxMind: names no database: write the path of a file in one of {known}, or remove the field"
        return
    earlier: dict[str, str] = {}
    for field, header in headers.items():
        alias = GeoHeaders.model_fields[field].alias or field
        if not any(each in paths for each in DATABASES[field]):
            needed = " or ".join(f"maxMind.{_database(each)}" for each in DATABASES[field])
            yield f"headers.{alias}: no database has it: write {needed}, or remove it"
        if header in earlier:
            yield f"headers.{alias}: {header} is that of {earlier[header]}: write another"
        earlier.setdefault(header, alias)


def _database(name: str) -> str:
    return MaxMindDatabases.model_fields[name].alias or name


EXTENSION = Extension(
    "places of clients",
    units=(PolicyUnit(ListenerPolicy, "http_settings.geo_ip", read, PlaceLookup, protocols=OF_HTTP),),
)
