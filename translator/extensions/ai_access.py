"""Which models requests may ask for (`ai.models` of TrafficPolicies): by the model that Envoy has read of their body.

What asks for a model that cannot be read is refused: what is denied could be hidden there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from headgate_proto.envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2 import FilterStateInput
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy.ai.client_errors import ErrorsOfModels
from translator.envoy.ai.model_filters import MODEL_STATE, MODELS_WEIGHT, info_filters
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AI
from translator.envoy.predicates import Predicate, all_of, any_of, decision, header, literals, negated
from translator.extension import PolicyContext
from translator.extensions.jwt_providers import effective_metadata_keys
from translator.extensions.rbac_conditions import conditions
from translator.ir.http import RuleSetting
from translator.objects.headgate.authorization import AuthorizationRule, Principal
from translator.objects.headgate.promptguards import ModelAccess, ModelEntry
from translator.policies.effective import effective

JWT_AUTH: Final = "jwt_auth"
FILTER: Final = "headgate.ai.models"
"""The name of the filter in its slot."""
WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")
"""The methods of requests that ask for no model, such as for the list of all."""


@dataclass(frozen=True, slots=True)
class AllowedModels(RuleSetting, FilterHook):
    """Requests are let in by the model that they ask for.

    Attributes:
        found: what the policy says.
        keys: by the names of providers of tokens, where their claims are in the metadata of requests.
    """

    alpha: ClassVar[bool] = True
    found: ModelAccess
    keys: tuple[tuple[str, str], ...] = ()

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield what reads the model, as routes by model have it too, what lets in, and errors that clients read."""
        yield from info_filters()
        yield SlotFilter(AI, FILTER, self._filter(), MODELS_WEIGHT)
        yield from ErrorsOfModels().filter_configs()

    def _filter(self) -> RBAC:
        made = RBAC()
        matcher = made.matcher
        unknown = negated(_model(Predicate(), ""))
        _add(matcher, "no-body", all_of((unknown, header(":method", literals(WITHOUT_BODY)))), True)
        _add(matcher, "no-model", unknown, False)
        for place, each in enumerate(self.found.deny or ()):
            _add(matcher, f"deny-{place}", self._holds(each, denies=True), False)
        for place, each in enumerate(self.found.allow or ()):
            _add(matcher, f"allow-{place}", self._holds(each, denies=False), True)
        matcher.on_no_match.CopyFrom(decision("default", self.found.allow is None))
        return made

    def _holds(self, entry: ModelEntry, denies: bool) -> Predicate:
        asked = any_of([_model(Predicate(), each) for each in entry.models])
        if entry.when is None:
            return asked
        caller = Principal(jwt=entry.when.jwt, headers=entry.when.headers)
        rule = AuthorizationRule(action="Deny" if denies else "Allow", principal=caller)
        return all_of((asked, conditions(rule, dict(self.keys))))


def _add(matcher: Matcher, name: str, predicate: Predicate, allow: bool) -> None:
    entry = matcher.matcher_list.matchers.add()
    entry.predicate.CopyFrom(predicate)
    entry.on_match.CopyFrom(decision(name, allow))


def _model(made: Predicate, name: str) -> Predicate:
    """Write whether the model is one of a name, or begins so; "" is for any model that was read."""
    message = FilterStateInput(key=MODEL_STATE)
    single = made.single_predicate
    single.input.name = message.DESCRIPTOR.name
    single.input.typed_config.Pack(message, deterministic=True)
    if name in ("", "*"):
        single.value_match.safe_regex.google_re2.SetInParent()
        single.value_match.safe_regex.regex = "(?s).+"
    elif name.endswith("*"):
        single.value_match.prefix = name[:-1]
    else:
        single.value_match.exact = name
    return made


def read_access(context: PolicyContext, found: ModelAccess) -> AllowedModels:
    """Return the setting of a list of models without faults."""
    return AllowedModels(found, tuple(sorted(_claims(context, found).items())))


def access_faults(context: PolicyContext, found: ModelAccess) -> Iterator[str]:
    """Yield what is wrong with lists of models: providers of tokens that there are none of, and hosts as headers."""
    keys = _claims(context, found)
    for name, entries in (("allow", found.allow), ("deny", found.deny)):
        for place, each in enumerate(entries or ()):
            field = f"{context.field}.models.{name}[{place}].when"
            token = each.when.jwt if each.when is not None else None
            if token is not None and token.provider not in keys:
                known = f"it has {', '.join(keys)}" if keys else "there is none"
                yield f"{field}.jwt.provider: {token.provider} is no provider of the jwtAuth effective there ({known})."
            for number, header_ in enumerate(each.when.headers or () if each.when is not None else ()):
                if header_.name.lower() == "host":
                    yield f"{field}.headers[{number}].name: Host is no header here; use another one."


def _claims(context: PolicyContext, found: ModelAccess) -> Mapping[str, str]:
    entries = (*(found.allow or ()), *(found.deny or ()))
    if not any(each.when is not None and each.when.jwt is not None for each in entries):
        return {}
    tokens = effective(context.db, context.stack, JWT_AUTH)
    return effective_metadata_keys(context.db, tokens, "spec.jwtAuth") if tokens.value is not None else {}
