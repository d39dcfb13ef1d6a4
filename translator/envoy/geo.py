"""Where clients are, in the metadata of requests: how filters tell each other."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "headgate.geo"
"""The metadata. Beside a field that was found for the address of a client, it says which ones were looked up at all."""
LOOKED_UP: Final = "looked_up."
"""What the names begin with that say that a field was looked up, whatever the databases say."""
FIELDS: Final = ("country", "region", "city", "asn", "asn_organization", "isp", "anonymous")
"""The fields, by their names in models."""
