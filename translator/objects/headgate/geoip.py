"""The field `httpSettings.geoIP` of ListenerPolicies: where the addresses of clients are."""

from typing import Annotated

from pydantic import StringConstraints

from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.scalars import DATABASE_FILE

DatabaseFile = Annotated[str, StringConstraints(min_length=2, max_length=4096, pattern=DATABASE_FILE)]


class MaxMindDatabases(Fields):
    """Databases in MaxMind's format, as files of the proxies, whose image has none: GatewayParameters mount volumes.

    Envoy reads a file again that is replaced. Where one cannot be read, it refuses the listener.
    """

    city_db: Annotated[DatabaseFile | None, Doc(envoy="MaxMindConfig.city_db_path")] = None
    """Cities, with their regions and countries (GeoIP2-City, GeoLite2-City)."""
    country_db: Annotated[DatabaseFile | None, Doc(envoy="MaxMindConfig.country_db_path")] = None
    """Countries (GeoIP2-Country, GeoLite2-Country); with `cityDb` too, countries come from here."""
    asn_db: Annotated[DatabaseFile | None, Doc(envoy="MaxMindConfig.asn_db_path")] = None
    """Autonomous systems (GeoLite2-ASN)."""
    isp_db: Annotated[DatabaseFile | None, Doc(envoy="MaxMindConfig.isp_db_path")] = None
    """Providers, and autonomous systems where there is no `asnDb` (GeoIP2-ISP)."""
    anonymous_db: Annotated[DatabaseFile | None, Doc(envoy="MaxMindConfig.anon_db_path")] = None
    """VPNs, proxies and the like (GeoIP2-Anonymous-IP)."""


class GeoHeaders(Fields):
    """Headers by which backends get what the databases say of a client; what clients send in them is removed."""

    country: ChangeableHeader | None = None
    """The country, by its code in ISO 3166-1: `DE`."""
    region: ChangeableHeader | None = None
    """The region, by the part of its code in ISO 3166-2 that follows the country: `BY`."""
    city: ChangeableHeader | None = None
    """The name of the city, in English."""
    asn: ChangeableHeader | None = None
    """The number of the autonomous system: `64496`."""
    asn_organization: ChangeableHeader | None = None
    """Whose autonomous system it is."""
    isp: ChangeableHeader | None = None
    """The name of the provider."""
    anonymous: ChangeableHeader | None = None
    """Whether the client hides behind a VPN, a proxy or the like: `true` or `false`; none for an address that the
    database does not have."""


class GeoIP(Disableable):
    """Looks up where the address of a client is, for `rbac` of TrafficPolicies and for backends."""

    max_mind: Annotated[MaxMindDatabases | None, Doc(envoy="MaxMindConfig")] = None
    """The databases."""
    headers: Annotated[GeoHeaders | None, Doc(envoy="CommonGeoipProviderConfig.geo_field_keys")] = None
    """The headers by which backends get it. By default none."""


GeoLookup = Annotated[GeoIP | None, Doc(envoy="Geoip")]
