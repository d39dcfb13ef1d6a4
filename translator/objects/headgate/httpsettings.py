"""What listeners do with HTTP: `httpSettings` of ListenerPolicies."""

from typing import Annotated

from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean


class HttpSettings(Fields):
    """How HTTP is spoken to clients; each field is merged with those of policies of other levels, and by itself."""

    accept_http10: Annotated[Boolean | None, Doc(envoy="Http1ProtocolOptions.accept_http_10", default="false")] = None
    """Whether clients may speak HTTP/1.0."""
