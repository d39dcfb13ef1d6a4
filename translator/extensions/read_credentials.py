"""Where requests have had credentials for the gateway: providers of AI get nothing that comes from there.

Policies may have backends get the credentials that they check. A provider is a backend of somebody else, who may name
the header in which one is. So what reads credentials elsewhere than where no provider gets anything from says so in
the dynamic metadata of a request, which the script of providers reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from headgate_proto.envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config
from translator.envoy.filter_entries import FIRST, SlotFilter
from translator.envoy.http_filters import BEFORE_AUTHZ
from translator.objects.headgate.aibackend import CREDENTIALS

READ_CREDENTIALS: Final = "headgate.credentials"
"""The namespace of the metadata: `headers` and `parameters` have the names, each with true."""


def read_credentials(kind: str, headers: Iterable[str], parameters: Iterable[str] = ()) -> Iterator[SlotFilter]:
    """Yield the filter that tells where requests have credentials; none where providers get nothing from there anyway.

    Args:
        kind: tells it apart from those of other policies, such as `jwt`.
        headers: the names of headers.
        parameters: the names of parameters of the query.
    """
    names = {each.lower() for each in headers} - {*CREDENTIALS}
    told = {"headers": dict.fromkeys(sorted(names), True), "parameters": dict.fromkeys(sorted(parameters), True)}
    if not any(told.values()):
        return
    made = Config()
    entry = made.metadata.add(metadata_namespace=READ_CREDENTIALS, allow_overwrite=True)
    entry.value.update({place: found for place, found in told.items() if found})
    yield SlotFilter(BEFORE_AUTHZ, f"{READ_CREDENTIALS}.{kind}", made, FIRST)
