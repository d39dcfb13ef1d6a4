"""The unit `ai` of TrafficPolicies: what requests to models may say, and what is added to them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StringConstraints

from translator.objects.headgate.authorization import Given, HeaderValues, JWTPrincipal
from translator.objects.headgate.filterentries import object_violations
from translator.objects.headgate.responses import JsonObject
from translator.objects.headgate.types import Disableable, OptionalSize
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import MODELS_PATTERN, DnsSubdomain

MOST_GUARDS: Final = 8
"""The most guards of a policy."""
MOST_EXPRESSIONS: Final = 16
"""The most regular expressions of a guard."""
MOST_MESSAGES: Final = 16
"""The most messages that a policy puts before those of a request, and behind them."""
MOST_MODEL_ENTRIES: Final = 32
"""The most entries of a list of models."""
MOST_BODY_BYTES: Final = 8 * 1024 * 1024
"""The longest request that may be held."""
_TOO_LONG: Final = "must be at most 8Mi: longer requests would be held in the memory of the proxy"
_NOTHING: Final = "must have matches or builtins: add some"
_NO_RESPONSE: Final = "must not be set where action is Mask, which answers nothing: remove it"
_NO_MODELS: Final = "must have allow or deny: add some"

Regex = Annotated[str, StringConstraints(min_length=1, max_length=1024), TypeName("regular expression")]


class GuardResponse(Fields):
    """What is answered to a request that a guard rejects; its body is an error as the API of the client has it."""

    status: Annotated[StrictInt, Field(ge=400, le=599)] = 403
    """The status."""
    message: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = "The request was rejected by a policy."
    """The text of the error."""


class RegexGuard(CheckedFields):
    """Looks for texts by regular expressions."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.matches) || has(self.builtins)", _NOTHING),
        CelRule("!has(self.response) || !has(self.action) || self.action != 'Mask'", _NO_RESPONSE, "response"),
    )

    matches: Annotated[tuple[Regex, ...] | None, Field(min_length=1, max_length=MOST_EXPRESSIONS)] = None
    """Expressions of RE2, of which one has to match somewhere in a text. Classes of Unicode (`\\pL`) are not taken, nor
    expressions that match the empty text, or that are too costly."""
    builtins: Annotated[
        tuple[Literal["Email", "Phone", "SSN", "CreditCard"], ...] | None, Field(min_length=1, max_length=4)
    ] = None
    """What is known: addresses of email, numbers of phones with their area code, social security numbers of the USA,
    numbers of credit cards."""
    action: Literal["Reject", "Mask"] | None = None
    """Whether such a request is rejected, or goes on with a placeholder, such as `<EMAIL>`, in place of what has
    matched. By default Reject."""
    response: Annotated[GuardResponse | None, ATOMIC] = None
    """What is answered to a request that is rejected. By default 403."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a guard that looks for nothing, and of a response that is never given."""
        if self.matches is None and self.builtins is None:
            yield FieldViolation((), _NOTHING)
        if self.action == "Mask" and self.response is not None:
            yield FieldViolation(("response",), _NO_RESPONSE)


class RequestGuard(Fields):
    """Looks at all texts of a request: prompts, instructions, results of tools, and what tools are described as."""

    name: DnsSubdomain
    """The name, which no other guard of the policy has. A guard of a more specific policy replaces that of its name."""
    regex: Annotated[RegexGuard, ATOMIC]
    """What it looks for."""


class PromptGuard(Fields):
    """What requests may not say."""

    request: Annotated[
        tuple[RequestGuard, ...] | None,
        Field(max_length=MOST_GUARDS),
        unique("name", "is the name of an earlier guard: choose another, or remove one of them"),
        ByKey("name"),
    ] = None
    """Guards, each of which looks at what the one before has left."""


class PromptMessage(Fields):
    """A message of a prompt."""

    role: Literal["system", "developer", "user", "assistant"]
    """Who says it. Where an API has a field of its own for what the system says, it comes there."""
    content: Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
    """What is said."""


Messages = Annotated[tuple[PromptMessage, ...] | None, Field(min_length=1, max_length=MOST_MESSAGES)]


class PromptEnrichment(Fields):
    """Messages that requests for chats get in addition."""

    prepend: Messages = None
    """Messages before those of the request."""
    append: Messages = None
    """Messages behind those of the request."""


class ModelCaller(Given):
    """Whose requests an entry is for: all that is given has to match."""

    jwt: Annotated[JWTPrincipal | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput, Metadata")] = None
    """The token of the request."""
    headers: Annotated[
        tuple[HeaderValues, ...] | None,
        Field(min_length=1, max_length=16),
        Doc(envoy="RBAC.matcher: HttpRequestHeaderMatchInput"),
    ] = None
    """Headers of the request, all of which have to match."""


class ModelEntry(Fields):
    """Models, and for whom an entry of a list is."""

    models: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=MODELS_PATTERN)], ...],
        Field(min_length=1, max_length=MOST_MODEL_ENTRIES),
        Doc(envoy="RBAC.matcher: FilterStateInput"),
    ]
    """Names of models, as `gpt-4o`, or their beginnings, as `gpt-*`; `*` is for all."""
    when: Annotated[ModelCaller | None, ATOMIC] = None
    """Whose requests it is for, as in rules of `rbac`. By default all."""


Entries = Annotated[tuple[ModelEntry, ...] | None, Field(min_length=1, max_length=MOST_MODEL_ENTRIES)]


class ModelAccess(CheckedFields):
    """Which models requests may ask for: others get 403, and so do those of which no model can be read."""

    rules: ClassVar[tuple[CelRule, ...]] = (CelRule("has(self.allow) || has(self.deny)", _NO_MODELS),)

    allow: Entries = None
    """Models that requests may ask for; without the list all that are not denied."""
    deny: Entries = None
    """Models that requests may not ask for, whatever is allowed."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of one without a list."""
        if self.allow is None and self.deny is None:
            yield FieldViolation((), _NO_MODELS)


class AIPolicy(Disableable):
    """What requests to models may say and ask for, and what is added to them."""

    prompt_guard: PromptGuard | None = None
    """What requests may not say."""
    prompt: PromptEnrichment | None = None
    """Messages that requests for chats get in addition."""
    defaults: JsonObject | None = None
    """Fields that chats and completions get where they do not have them, by their names: such as `temperature`."""
    overrides: JsonObject | None = None
    """Fields that chats and completions get, whatever they say: such as `store: false`, or another `model`."""
    models: Annotated[ModelAccess | None, ATOMIC] = None
    """Which models requests may ask for."""
    max_bytes: Annotated[OptionalSize, Doc(envoy="Route.request_body_buffer_limit", default="1Mi")] = None
    """How long requests may be that are looked at or changed: at most 8Mi; longer ones get 413. By default 1Mi."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of fields that are no JSON, and of a length that is too long."""
        yield from super().violations()
        for name, found in (("defaults", self.defaults), ("overrides", self.overrides)):
            if found is not None:
                yield from object_violations(name, found)
        if (self.max_bytes or 0) > MOST_BODY_BYTES:
            yield FieldViolation(("maxBytes",), _TOO_LONG)
