"""The field `httpSettings.healthCheck` of ListenerPolicies: the path at which the proxy is asked how it is."""

from typing import Annotated

from pydantic import StringConstraints

from translator.objects.headgate.types import Disableable
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import AUTHORIZER_PATH


class HealthCheckPath(Disableable):
    """Answers health checks of what is in front of the proxies, such as a load balancer, by the proxies themselves."""

    path: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=AUTHORIZER_PATH)] | None,
        Doc(envoy="HealthCheck.headers"),
    ] = None
    """The path: 200 while the proxy takes requests, 503 once it drains. No route and no policy sees these requests, of
    whatever host and method they are."""


HealthChecks = Annotated[HealthCheckPath | None, Doc(envoy="HealthCheck")]
