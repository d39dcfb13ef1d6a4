"""Validation of messages by Envoy's own protoc-gen-validate rules, before Envoy gets them.

Envoy rejects a message that breaks a rule of its `.proto` files and, for some types, valid resources in the same
response, too. The rules are options of the generated descriptors: each message type is compiled into closures at its
first use. A valid message costs a few microseconds, and no path is built for it.

Also checked is what ends Envoy's process though no rule forbids it (`fatal`).

Checked are the options `validate.rules` of fields (repeated fields and maps with their items), `validate.required`
of oneofs, `validate.disabled` and `validate.ignored` of messages, and the content of each `google.protobuf.Any` whose
type is known to this process. Rules that Envoy implements in C++ are not: only `envoy --mode validate` checks those.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import wrappers_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from headgate_proto.validate import validate_pb2
from xds.validation.constraints import Constraint, UnknownRuleError, comparable, constraints, is_out_of_range
from xds.validation.fatal import CONSTRAINTS


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a message breaks."""

    path: str
    """The path of field names: `virtual_hosts[0].routes[2].route.cluster`; empty for the message itself."""
    rule: str
    """The rule, in Envoy's words: `value length must be at least 1 characters`."""

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}" if self.path else self.rule

    def below(self, step: str) -> "Violation":
        """Return the violation with its path relative to the parent message, in which `step` is the field."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Violation(f"{step}{dot}{self.path}", self.rule)


#: A compiled check of one value; it returns no violations for nearly all values.
Check = Callable[[Any], Sequence[Violation]]
#: Fields of which one must be set, and the violations if none is.
Absence = tuple[frozenset[FieldDescriptor], list[Violation]]

NO_RULES = validate_pb2.FieldRules()
#: The options, whose generated stubs lack their types.
RULES: Any = validate_pb2.rules
REQUIRED: Any = validate_pb2.required
DISABLED: Any = validate_pb2.disabled
IGNORED: Any = validate_pb2.ignored

ANY = AnyMessage.DESCRIPTOR.full_name
DURATION = Duration.DESCRIPTOR.full_name
TIMESTAMP = Timestamp.DESCRIPTOR.full_name
#: `google.protobuf.StringValue` and the like, whose rules apply to the wrapped value.
WRAPPERS = frozenset(message.full_name for message in wrappers_pb2.DESCRIPTOR.message_types_by_name.values())


def check(message: Message) -> list[Violation]:
    """Return every rule that a message breaks, missing fields last; an empty list if Envoy would accept it.

    Raises:
        UnknownRuleError: Envoy's API uses a rule that this checker does not know; a test ensures that there is none.
    """
    return list(_message_check(message.DESCRIPTOR)(message))


def check_content(type_url: str, body: bytes) -> Sequence[Violation]:
    """Return every rule that a serialised message breaks; none if its type is unknown to this process."""
    return _any_check(())(AnyMessage(type_url=type_url, value=body))


@cache
def _message_check(descriptor: Descriptor) -> Check:
    checked = _rules_check(descriptor)
    own = CONSTRAINTS.get(descriptor.full_name)
    if own is None:
        return checked
    broken, violation = own.broken, Violation("", own.text)
    return lambda message: [*checked(message), *([violation] if broken(message) else ())]


@cache
def _rules_check(descriptor: Descriptor) -> Check:
    if _is_exempt(descriptor):
        return _nothing
    checks = {field: compiled for field in descriptor.fields if (compiled := _field_check(field))}
    absences = [*_missing_fields(descriptor, checks), *_missing_oneofs(descriptor)]

    def check_message(message: Message) -> Sequence[Violation]:
        found: list[Violation] = []
        present = message.ListFields()
        for field, value in present:
            compiled = checks.get(field)
            if compiled is not None and (violations := compiled(value)):
                found += [violation.below(field.name) for violation in violations]
        if absences:
            fields = dict(present)
            for members, violations in absences:
                if members.isdisjoint(fields):
                    found += violations
        return found

    return check_message


def _nothing(_: Any) -> Sequence[Violation]:
    return ()


def _is_exempt(descriptor: Descriptor) -> bool:
    options = descriptor.GetOptions()
    return bool(options.Extensions[DISABLED] or options.Extensions[IGNORED])


@cache
def _is_constrained(descriptor: Descriptor) -> bool:
    """Return whether a message type, at any depth, has a rule or an Any; otherwise it need not be visited."""
    seen: set[Descriptor] = set()
    todo = [descriptor]
    while todo:
        current = todo.pop()
        if current in seen or _is_exempt(current):
            continue
        seen.add(current)
        if current.full_name == ANY or _has_own_rules(current):
            return True
        todo += [field.message_type for field in current.fields if field.message_type is not None]
    return False


def _has_own_rules(descriptor: Descriptor) -> bool:
    if descriptor.full_name in CONSTRAINTS:
        return True
    return any(field.GetOptions().HasExtension(RULES) for field in descriptor.fields) or any(
        oneof.GetOptions().HasExtension(REQUIRED) for oneof in descriptor.oneofs
    )


def _missing_oneofs(descriptor: Descriptor) -> Iterator[Absence]:
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[REQUIRED]:
            yield frozenset(oneof.fields), [Violation(oneof.name, "is required")]


def _missing_fields(descriptor: Descriptor, checks: Mapping[FieldDescriptor, Check]) -> Iterator[Absence]:
    """Return required messages, and fields without presence whose default value breaks their own rule.

    The latter, because proto3 does not distinguish such a value from an unset one.
    """
    for field in descriptor.fields:
        if field.has_presence:
            # Of a oneof's members, only the one that is set is checked.
            broken = [Violation("", "value is required")] if _is_required(field) and not field.containing_oneof else []
        else:
            compiled = checks.get(field, _nothing)
            broken = list(compiled(() if field.is_repeated else field.default_value))
        if broken:
            yield frozenset([field]), [violation.below(field.name) for violation in broken]


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[RULES]
    return rules


def _is_required(field: FieldDescriptor) -> bool:
    rules = _rules(field)
    return rules.message.required or rules.any.required or rules.duration.required or rules.timestamp.required


def _field_check(field: FieldDescriptor) -> Check | None:
    rules = _rules(field)
    if not field.is_repeated:
        return _value_check(field, rules)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_check(field.message_type, rules.map)
    return _repeated_check(field, rules.repeated)


def _value_check(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Check | None:
    """Return the check of one value of a field: the field itself, an item, or a map's key or value."""
    kind = rules.WhichOneof("type")
    specific = getattr(rules, kind) if kind else NO_RULES
    if field.message_type is None:
        return _constraint_check(constraints(specific, field.enum_type), ignore_empty=_ignores_empty(specific))
    name = field.message_type.full_name
    if name == ANY:
        return _any_check(constraints(specific))
    if name in (DURATION, TIMESTAMP):
        return _time_check(constraints(specific), is_duration=name == DURATION)
    if name in WRAPPERS:
        return _wrapper_check(_constraint_check(constraints(specific), ignore_empty=_ignores_empty(specific)))
    # Rules of another type disable the checks of a message's own fields, as in `ExtensionConfigSource.config_source`.
    return None if kind or rules.message.skip else _nested_check(field.message_type)


def _ignores_empty(rules: Message) -> bool:
    return bool(getattr(rules, "ignore_empty", False))


def _constraint_check(required: Sequence[Constraint], *, ignore_empty: bool) -> Check | None:
    if not required:
        return None

    def check_value(value: Any) -> Sequence[Violation]:
        for broken, _ in required:
            if broken(value):
                break
        else:
            return ()
        if ignore_empty and not value:
            return ()
        return [Violation("", text) for broken, text in required if broken(value)]

    return check_value


def _wrapper_check(inner: Check | None) -> Check | None:
    return inner and (lambda wrapper: inner(wrapper.value))


def _time_check(required: Sequence[Constraint], *, is_duration: bool) -> Check | None:
    inner = _constraint_check(required, ignore_empty=False)
    if inner is None:
        return None

    def check_time(value: Duration | Timestamp) -> Sequence[Violation]:
        time = comparable(value)
        if is_duration and is_out_of_range(time):
            return [Violation("", "value is not a valid duration")]
        return inner(time)

    return check_time


def _nested_check(descriptor: Descriptor) -> Check | None:
    if not _is_constrained(descriptor):
        return None
    # Looked up at each call, since message types may be recursive.
    return lambda message: _message_check(descriptor)(message)


@cache
def _type_named(name: str) -> tuple[type[Message], Check]:
    """Return the class and check of a message type by its full name.

    Raises:
        KeyError: The type is unknown; this is not cached.
    """
    descriptor = default_pool().FindMessageTypeByName(name)
    return GetMessageClass(descriptor), _message_check(descriptor)


def _any_check(required: Sequence[Constraint]) -> Check:
    check_type = _constraint_check(required, ignore_empty=False) or _nothing

    def check_any(packed: AnyMessage) -> Sequence[Violation]:
        if violations := check_type(packed.type_url):
            return violations
        name = packed.type_url.rpartition("/")[2]
        try:
            message_class, check_content = _type_named(name)
        except KeyError:
            return ()
        try:
            return check_content(message_class.FromString(packed.value))
        except DecodeError:
            return [Violation("", f"content is not a {name}")]

    return check_any


def _repeated_check(field: FieldDescriptor, rules: validate_pb2.RepeatedRules) -> Check | None:
    check_size = _size_check(rules.min_items, rules.max_items, "item(s)")
    check_item = _value_check(field, rules.items)
    check_unique = _is_unique_check if rules.unique else None
    if rules.unique and field.message_type is not None:
        raise UnknownRuleError(f"validate.RepeatedRules.unique on messages, at {field.full_name}")
    if not (check_size or check_item or check_unique):
        return None
    ignore_empty = rules.ignore_empty

    def check_repeated(values: Sequence[Any]) -> Sequence[Violation]:
        if ignore_empty and not values:
            return ()
        found = [*check_size(values)] if check_size else []
        found += check_unique(values) if check_unique else ()
        if check_item is not None:
            for index, value in enumerate(values):
                if violations := check_item(value):
                    found += [violation.below(f"[{index}]") for violation in violations]
        return found

    return check_repeated


def _map_check(entry: Descriptor, rules: validate_pb2.MapRules) -> Check | None:
    check_size = _size_check(rules.min_pairs, rules.max_pairs, "pair(s)")
    check_key = _value_check(entry.fields_by_name["key"], rules.keys)
    check_value = _value_check(entry.fields_by_name["value"], rules.values)
    if not (check_size or check_key or check_value):
        return None
    ignore_empty = rules.ignore_empty

    def check_map(pairs: Mapping[Any, Any]) -> Sequence[Violation]:
        if ignore_empty and not pairs:
            return ()
        found = [*check_size(pairs)] if check_size else []
        # Sorted by key, as protobuf's maps have no order.
        for key in sorted(pairs):
            violations = [*(check_key(key) if check_key else ()), *(check_value(pairs[key]) if check_value else ())]
            found += [violation.below(f"[{key!r}]") for violation in violations]
        return found

    return check_map


def _size_check(least: int, most: int, things: str) -> Check | None:
    if not (least or most):
        return None

    def check_size(values: Any) -> Sequence[Violation]:
        if len(values) < least:
            return [Violation("", f"value must contain at least {least} {things}")]
        if most and len(values) > most:
            return [Violation("", f"value must contain no more than {most} {things}")]
        return ()

    return check_size


def _is_unique_check(values: Sequence[Any]) -> Sequence[Violation]:
    repeated = len(set(values)) < len(values)
    return [Violation("", "repeated value must contain unique items")] if repeated else ()
