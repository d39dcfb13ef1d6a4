"""The unit `a2a` of TrafficPolicies: what clients may ask agents for."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import AGENT_METHOD

MOST_METHODS: Final = 64
"""The most methods of a list."""

Method = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=AGENT_METHOD)]


class A2aMethods(Fields):
    """Which methods of A2A clients may call, by JSON-RPC."""

    allow: Annotated[
        tuple[Method, ...],
        Field(min_length=1, max_length=MOST_METHODS),
        unique(None, "is there twice: remove it"),
        Doc(envoy="Lua.filter_context"),
    ]
    """The methods, as requests name them: `SendMessage` in version 1.0 of A2A, `message/send` in 0.3. Other calls get
    403, and so does all that is no call, but for agent cards."""


class A2aPolicy(Disableable):
    """What clients may ask agents for."""

    methods: A2aMethods | None = None
    """The methods that they may call."""
