"""The fields of ListenerPolicies that change headers of all requests and responses of a listener."""

from typing import Annotated

from translator.objects.headgate.headers import HeaderChanges, HeaderOperations, ResponseHeaderModifier
from translator.objects.schema.documentation import Doc


class EarlyRequestHeaderModifier(HeaderOperations):
    """Changes of headers of requests before anything else reads them: routes are chosen by what comes of it."""

    set: Annotated[HeaderChanges, Doc(envoy="HeaderMutation.mutations, OVERWRITE_IF_EXISTS_OR_ADD")] = ()
    """Headers that get a value in place of all values that they have."""


EarlyRequestHeaders = Annotated[EarlyRequestHeaderModifier | None, Doc(envoy="early_header_mutation.HeaderMutation")]
"""Changes of headers of requests, before routes are chosen."""
LateResponseHeaders = Annotated[ResponseHeaderModifier | None, Doc(envoy="HeaderMutation.response_mutations")]
"""Changes of headers of all responses, those of the proxy itself too, after everything else has changed them."""
