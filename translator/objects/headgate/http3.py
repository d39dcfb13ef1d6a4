"""The field `http3` of a ListenerPolicy."""

from typing import Annotated

from translator.objects.headgate.types import Disableable
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Milliseconds, PortNumber


class Http3(Disableable):
    """Has an HTTPS listener speak HTTP/3 too, by QUIC at the UDP port of the same number; `{}` for all defaults.

    Clients hear of it by the header Alt-Svc of responses (RFC 7838); the proxies' Service gets the UDP port.
    """

    advertised_port: Annotated[PortNumber | None, Doc(envoy="the header alt-svc")] = None
    """The UDP port at which clients reach it. By default that of the listener; another one where something between
    clients and the proxies changes ports."""
    max_age: Annotated[Milliseconds | None, Doc(envoy="the header alt-svc")] = None
    """How long clients remember that it is there, in seconds, rounded up. By default 24h."""
