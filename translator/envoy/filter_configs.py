"""The configurations of HTTP filters for routes (``typed_per_filter_config``), composed of those of all settings.

Envoy takes of each filter the most specific configuration: that of the route, of its virtual host, or of its route
configuration. So a route says what differs from what it inherits, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from headgate_proto.envoy.config.rbac.v3 import rbac_pb2
from headgate_proto.envoy.config.route.v3.route_components_pb2 import FilterConfig as RouteFilterConfig
from headgate_proto.envoy.extensions.filters.http.custom_response.v3 import custom_response_pb2
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute
from headgate_proto.envoy.extensions.filters.http.set_metadata.v3 import set_metadata_pb2
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.envoy.type.matcher.v3.status_code_input_pb2 import (
    HttpResponseLocalReplyMatchInput,
    HttpResponseStatusCodeMatchInput,
)
from headgate_proto.envoy.type.v3.percent_pb2 import FractionalPercent
from translator.api_group import GROUP
from translator.envoy.filter_entries import (
    CustomResponse,
    DiscoveredPart,
    FilterConfig,
    FilterEntry,
    ModuleUse,
    OwnPath,
    Passage,
    Predicate,
    SecretUse,
    SlotFilter,
)
from translator.envoy.hooks import FILTER, FilterHook
from translator.envoy.http_filters import CLOSED, CUSTOM_RESPONSE, GUARD, HEADER_MUTATION, MARK
from translator.envoy.names import cluster_name, generic_secret_name
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.ir.secret import GenericSecret
from xds import CLUSTER, EXTENSION_CONFIG, FINGERPRINTS, SECRET, Reference, check

FilterConfigs = tuple[tuple[str, bytes], ...]
"""By the names of filters, sorted, their configurations: messages in an ``Any``, serialised."""

ERROR: Final = 500
RESPONSES: Final = "custom_response"
"""The one filter in the slot of responses, so that a route's is in the place of the one that it inherits."""
AT_EVERY_LEVEL: Final = frozenset({HEADER_MUTATION})
"""The filters of which Envoy applies the configurations of all levels that have one, not the most specific alone."""
SECURITY: Final = "security"
"""The key of the mark in the dynamic metadata of a request."""


class UnitSettings(NamedTuple):
    """The settings of a unit at a route.

    Attributes:
        settings: they; those that configure filters are `translator.envoy.hooks.FilterHook`s.
        closed: whether it protects: its requests are refused if it cannot be built, and not moved past it.
        error: why it cannot be built, for a closed one; "" if it can.
    """

    settings: tuple[RuleSetting, ...]
    closed: bool = False
    error: str = ""


SettingEntries = tuple[FilterHook, tuple[FilterEntry, ...]]
"""A setting, and what it gives the filters."""


def compose(units: Iterable[UnitSettings]) -> Composed:
    """Return the configurations of the filters of a route, of the settings of all of its units, and what they need."""
    entries: list[FilterEntry] = []
    by_setting: list[SettingEntries] = []
    protection: list[bytes] = []
    passages: list[Passage] = []
    error = ""
    for unit in units:
        written = _entries(unit.settings)
        error = error or unit.error
        entries += (entry for _, found in written for entry in found)
        by_setting += written
        if unit.closed:
            own = [entry for setting, found in written if setting.protects for entry in found]
            # An edit of a part of a discovered filter is no other protection: routes name it as before.
            protection += (_bytes(each) for each in own if not isinstance(each, DiscoveredPart))
            passages += (each for each in own if isinstance(each, Passage))
        if unit.error:
            # The filter that refuses is no part of the chain of a request that is moved here, either.
            protection.append(unit.error.encode())
    configs = {each.name: each.config for each in entries if isinstance(each, FilterConfig)}
    configs |= _slots([each for each in entries if isinstance(each, SlotFilter)])
    responses = [each for each in entries if isinstance(each, CustomResponse)]
    if error:
        configs[CLOSED] = abort()
        responses.append(_explain(error))
    if responses:
        responses = list({(_bytes(each), each.rank): each for each in responses}.values())
        configs[CUSTOM_RESPONSE] = _custom_response(sorted(responses, key=lambda each: each.rank))
    if protection:
        configs |= _marked(FINGERPRINTS.of(b"".join(protection)), passages)
    packed = tuple(sorted((name, _packed(config)) for name, config in configs.items()))
    return Composed(packed, _needs(by_setting))


def _entries(settings: Iterable[RuleSetting]) -> list[SettingEntries]:
    return [(each, tuple(each.filter_configs())) for each in FILTER.of(settings)]


class EncodedPart(NamedTuple):
    """A `DiscoveredPart`, with its message serialised."""

    filter: str
    key: str
    config: bytes


class FilterNeeds(NamedTuple):
    """What the configurations of filters need beside them, so that it is sent: in one order.

    Attributes:
        backends: what filters call: their clusters and endpoints.
        parts: of discovered filters.
        secrets: what they get by SDS.
        references: what the routes themselves refer to. What a part refers to is not among it: it may change while
            routes stay as they are.
        paths: what they answer by themselves.
        modules: what parts have by their hashes.
    """

    backends: tuple[Backend, ...] = ()
    parts: tuple[EncodedPart, ...] = ()
    secrets: tuple[GenericSecret, ...] = ()
    references: tuple[Reference, ...] = ()
    paths: tuple[OwnPath, ...] = ()
    modules: tuple[ModuleUse, ...] = ()


NO_NEEDS: Final = FilterNeeds()


class Composed(NamedTuple):
    """The configurations of filters, and what they need beside them."""

    configs: FilterConfigs
    needs: FilterNeeds


def needs(settings: Iterable[RuleSetting]) -> FilterNeeds:
    """Return what the filters need that settings configure, for those whose configurations are not composed."""
    return _needs(_entries(settings))


def _needs(by_setting: Iterable[SettingEntries]) -> FilterNeeds:
    backends: set[Backend] = set()
    parts: set[EncodedPart] = set()
    secrets: set[GenericSecret] = set()
    references: set[Reference] = set()
    paths: set[OwnPath] = set()
    modules: set[ModuleUse] = set()
    for setting, entries in by_setting:
        called = setting.backends if isinstance(setting, RuleSetting) else ()
        used = [each.secret for each in entries if isinstance(each, SecretUse)]
        discovered = [each for each in entries if isinstance(each, DiscoveredPart)]
        backends.update(called)
        secrets.update(used)
        modules.update(each for each in entries if isinstance(each, ModuleUse))
        paths.update(each for each in entries if isinstance(each, OwnPath))
        parts.update(EncodedPart(each.filter, each.key, _shared(_serialized(each.config))) for each in discovered)
        references.update(Reference(EXTENSION_CONFIG, each.filter) for each in discovered)
        if not discovered:
            references.update(Reference(CLUSTER, cluster_name(each)) for each in called)
            references.update(Reference(SECRET, generic_secret_name(each)) for each in used)
    found = (backends, parts, secrets, references, paths, modules)
    return FilterNeeds(*(tuple(sorted(each)) for each in found))  # type: ignore[arg-type]


def violations(settings: Iterable[RuleSetting]) -> Iterator[str]:
    """Yield what Envoy would not take of what settings give the filters: it would refuse all that is written with it.

    What differs from place to place is checked as it would be at some rule.
    """
    placed = (each.at("HTTPRoute/any/any", "any") for each in settings if FILTER.implemented_by(type(each)))
    for setting in FILTER.of(placed):
        for entry in setting.filter_configs():
            yield from (str(each) for message in _messages(entry) for each in check(message))


def difference(configs: FilterConfigs, inherited: FilterConfigs) -> FilterConfigs:
    """Return what a route with `configs` says where it inherits others: those that differ, and those it has not."""
    wide, own = dict(inherited), dict(configs)
    said = {name: _instead(config, wide.get(name)) for name, config in own.items() if wide.get(name) != config}
    missing = {name: _UNGUARDED if name == GUARD else _DISABLED for name in wide.keys() - own.keys()}
    return tuple(sorted((said | missing).items()))


def switched_off(names: Iterable[str]) -> FilterConfigs:
    """Return what has a route not run filters that it inherits."""
    return tuple((name, _DISABLED) for name in sorted(names))


def divide(configs: FilterConfigs) -> tuple[FilterConfigs, FilterConfigs]:
    """Divide configurations: those of which the most specific counts, and those of which all count."""
    every = tuple(each for each in configs if each[0] in AT_EVERY_LEVEL)
    return tuple(each for each in configs if each not in every), every


def _instead(config: bytes, wide: bytes | None) -> bytes:
    """Return what has a route run the filters of a slot in place of those that it inherits.

    Envoy unites the filters of both by their names: a filter that only the wider slot has runs too. So the route has
    one under its name that does nothing.
    """
    inherited, own = _chain(wide), _chain(config)
    if inherited is None or own is None:
        return config
    names = {each.name for each in own.filter_chain.filters}
    others = [each.name for each in inherited.filter_chain.filters if each.name not in names]
    if not others:
        return config
    for name in others:
        own.filter_chain.filters.add(name=name).typed_config.Pack(set_metadata_pb2.Config(), deterministic=True)
    return _packed(own)


def _chain(config: bytes | None) -> FilterChainConfigPerRoute | None:
    """Return what a configuration says of a slot; None if it is of no slot."""
    found, made = AnyMessage.FromString(config or b""), FilterChainConfigPerRoute()
    return made if found.Unpack(made) else None


def write(typed_per_filter_config: Any, configs: FilterConfigs) -> None:
    """Write configurations into the map of a route, or of what routes inherit from."""
    for name, config in configs:
        typed_per_filter_config[name].ParseFromString(config)


def _packed(config: Message) -> bytes:
    made = AnyMessage()
    made.Pack(config, deterministic=True)
    return made.SerializeToString(deterministic=True)


def _switched_off() -> bytes:
    # Without a message of its own, this is the only one that Envoy takes for every filter.
    return _packed(RouteFilterConfig(disabled=True))


_DISABLED: Final = _switched_off()
_UNGUARDED: Final = _packed(RBACPerRoute())
"""The guard of a route without protection. It is not switched off: a request that is moved from there to another route
needs it in its chain, with the rules of that route."""


def _bytes(entry: FilterEntry) -> bytes:
    name = entry.name.encode() if isinstance(entry, FilterConfig | SlotFilter) else b""
    return name + b"".join(map(_serialized, _messages(entry)))


def _messages(entry: FilterEntry) -> tuple[Message, ...]:
    if isinstance(entry, SecretUse | OwnPath | ModuleUse | Passage):
        return ()
    return (entry.predicate, entry.policy) if isinstance(entry, CustomResponse) else (entry.config,)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


_LONG: Final = 4096
"""Bytes from which on a part that several routes have is held once."""


def _shared(part: bytes) -> bytes:
    return part if len(part) < _LONG else _held_once(part)


@lru_cache(maxsize=64)
def _held_once(part: bytes) -> bytes:
    return part


def _slots(filters: Sequence[SlotFilter]) -> dict[str, Message]:
    configs: dict[str, Message] = {}
    for slot, found in groupby(sorted(filters, key=lambda each: (each.slot, -each.weight)), key=attrgetter("slot")):
        configs[slot] = made = FilterChainConfigPerRoute()
        names: set[str] = set()
        for each in found:
            if each.name in names:
                continue  # several settings need one filter, such as what reads the model
            names.add(each.name)
            made.filter_chain.filters.add(name=each.name).typed_config.Pack(each.config, deterministic=True)
            if each.route_config is not None:
                configs[each.name] = each.route_config
    return configs


def abort() -> HTTPFault:
    """Make the configuration of a filter that answers every request with 500."""
    made = HTTPFault()
    made.abort.http_status = ERROR
    made.abort.percentage.numerator = 100
    made.abort.percentage.denominator = FractionalPercent.HUNDRED
    return made


def _explain(error: str) -> CustomResponse:
    """Return the response of a closed route: the only one that Envoy itself gives there with this status."""
    predicate = Predicate()
    for match_input, value in (
        (HttpResponseLocalReplyMatchInput(), "true"),
        (HttpResponseStatusCodeMatchInput(), str(ERROR)),
    ):
        each = predicate.and_matcher.predicate.add().single_predicate
        each.input.name = match_input.DESCRIPTOR.name
        each.input.typed_config.Pack(match_input, deterministic=True)
        each.value_match.exact = value
    policy = LocalResponsePolicy()
    policy.body.inline_string = f"{error}\n"
    return CustomResponse(predicate, policy, rank=-1)


def _custom_response(responses: Sequence[CustomResponse]) -> FilterChainConfigPerRoute:
    made, chain = custom_response_pb2.CustomResponse(), FilterChainConfigPerRoute()
    for place, each in enumerate(responses):
        matcher = made.custom_response_matcher.matcher_list.matchers.add()
        matcher.predicate.CopyFrom(each.predicate)
        matcher.on_match.action.name = f"response-{place}"
        matcher.on_match.action.typed_config.Pack(each.policy, deterministic=True)
    chain.filter_chain.filters.add(name=RESPONSES).typed_config.Pack(made, deterministic=True)
    return chain


def _marked(fingerprint: str, passages: Iterable[Passage]) -> Mapping[str, Message]:
    """Return what has a route refuse requests that were moved to it from a route with other protection.

    A filter that only the new route enables would not run for these.
    """
    mark = set_metadata_pb2.Config()
    entry = mark.metadata.add(metadata_namespace=GROUP, allow_overwrite=True)
    entry.value[SECURITY] = fingerprint
    guard = RBACPerRoute()
    policy = guard.rbac.rules.policies["marked"]
    guard.rbac.rules.action = rbac_pb2.RBAC.ALLOW
    policy.principals.add().any = True
    traces, permission = (Passage(SECURITY, fingerprint), *passages), policy.permissions.add()
    for each in traces:
        rule = permission if len(traces) == 1 else permission.and_rules.rules.add()
        rule.metadata.filter = GROUP
        rule.metadata.path.add().key = each.key
        rule.metadata.value.string_match.exact = each.value
    return {MARK: mark, GUARD: guard}
