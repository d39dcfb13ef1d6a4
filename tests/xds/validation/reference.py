"""A reference implementation of protoc-gen-validate's rules: slow, interpreted, for comparison only."""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from headgate_proto.validate import validate_pb2
from xds.validation.validate import DISABLED, IGNORED, REQUIRED, RULES


def broken_paths(message: Message, at: str = "") -> Iterator[str]:
    """Yield the path of every value that breaks a rule."""
    descriptor = message.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    options = descriptor.GetOptions()
    if options.Extensions[DISABLED] or options.Extensions[IGNORED]:
        return
    prefix = at + "." if at else ""
    for field in descriptor.fields:
        yield from field_paths(message, field, prefix + field.name)
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[REQUIRED] and message.WhichOneof(oneof.name) is None:
            yield prefix + oneof.name


def field_paths(message: Message, field: FieldDescriptor, at: str) -> Iterator[str]:
    """Yield the paths of violations in one field of a message."""
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[RULES]
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from map_paths(value, field.message_type, rules.map, at)
    elif field.is_repeated:
        yield from repeated_paths(value, field, rules.repeated, at)
    elif not field.has_presence or message.HasField(field.name):
        yield from value_paths(value, field, rules, at)
    elif field.containing_oneof is None:
        kind = rules.WhichOneof("type")
        if rules.message.required or (kind and getattr(getattr(rules, kind), "required", False)):
            yield at


def map_paths(pairs: Any, entry: Descriptor, rules: validate_pb2.MapRules, at: str) -> Iterator[str]:
    """Yield the paths of violations in a map."""
    if len(pairs) < rules.min_pairs or (rules.HasField("max_pairs") and len(pairs) > rules.max_pairs):
        yield at
    for key in pairs:
        yield from value_paths(key, entry.fields_by_name["key"], rules.keys, f"{at}[{key!r}]")
        yield from value_paths(pairs[key], entry.fields_by_name["value"], rules.values, f"{at}[{key!r}]")


def repeated_paths(values: Any, field: FieldDescriptor, rules: validate_pb2.RepeatedRules, at: str) -> Iterator[str]:
    """Yield the paths of violations in a repeated field."""
    if len(values) < rules.min_items or (rules.HasField("max_items") and len(values) > rules.max_items):
        yield at
    if rules.unique and any(value in values[:index] for index, value in enumerate(values)):
        yield at
    for index, value in enumerate(values):
        yield from value_paths(value, field, rules.items, f"{at}[{index}]")


def value_paths(value: Any, field: FieldDescriptor, rules: validate_pb2.FieldRules, at: str) -> Iterator[str]:
    """Yield the paths of violations in one value, and in the messages below it."""
    kind = rules.WhichOneof("type")
    type_name = field.message_type.full_name if field.message_type is not None else ""
    if type_name == "google.protobuf.Any":
        yield from any_paths(value, at)
    elif type_name and kind is None and not rules.message.skip:
        yield from broken_paths(value, at)
    elif kind == "duration":
        if not is_duration_allowed(value, rules.duration):
            yield at
    elif kind is not None and kind != "any":
        plain = value.value if type_name else value
        asked = getattr(rules, kind)
        if getattr(asked, "ignore_empty", False) and not plain:
            return
        if not is_allowed(plain, asked, kind) or (kind == "enum" and is_undefined(plain, field, asked)):
            yield at


def any_paths(packed: Any, at: str) -> Iterator[str]:
    """Yield the paths of violations in the content of an Any of a known type."""
    name = packed.type_url.split("/")[-1]
    try:
        kind = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
    except KeyError:
        return
    try:
        content = kind.FromString(packed.value)
    except DecodeError:
        yield at
    else:
        yield from broken_paths(content, at)


def is_undefined(value: int, field: FieldDescriptor, rules: validate_pb2.EnumRules) -> bool:
    """Return whether an enum value that must be defined is not."""
    kind = field.enum_type
    return rules.defined_only and kind is not None and value not in kind.values_by_number


def is_duration_allowed(value: Any, rules: validate_pb2.DurationRules) -> bool:
    """Return whether a duration is valid, and within its bounds."""
    compared = any(rules.HasField(name) for name in ("const", "lt", "lte", "gt", "gte"))
    if compared and not (abs(value.seconds) <= 315_576_000_000 and abs(value.nanos) <= 999_999_999):
        return False

    def pair(duration: Any) -> tuple[int, int]:
        return duration.seconds, duration.nanos

    return is_in_range(pair(value), {n: pair(getattr(rules, n)) for n in BOUNDS if rules.HasField(n)})


BOUNDS = ("lt", "lte", "gt", "gte")


def is_in_range(value: Any, bounds: dict[str, Any]) -> bool:
    """Return whether a number is within its bounds; if the upper is below the lower one, outside of them."""
    too_high = ("lt" in bounds and value >= bounds["lt"]) or ("lte" in bounds and value > bounds["lte"])
    too_low = ("gt" in bounds and value <= bounds["gt"]) or ("gte" in bounds and value < bounds["gte"])
    upper, lower = bounds.get("lt", bounds.get("lte")), bounds.get("gt", bounds.get("gte"))
    if upper is not None and lower is not None and upper <= lower:
        return not (too_high and too_low)
    return not (too_high or too_low)


def is_allowed(value: Any, rules: Any, kind: str) -> bool:
    """Return whether a number, a string, bytes or an enum satisfies its rules."""
    names = {field.name for field, _ in rules.ListFields()}
    if "const" in names and value != rules.const:
        return False
    if "in" in names and value not in getattr(rules, "in"):
        return False
    if "not_in" in names and value in rules.not_in:
        return False
    if kind in ("string", "bytes"):
        return is_text_allowed(value, rules, names)
    return is_in_range(value, {name: getattr(rules, name) for name in BOUNDS if name in names})


def is_text_allowed(value: Any, rules: Any, names: set[str]) -> bool:
    """Return whether a string or bytes satisfies the rules that numbers do not have."""
    size = len(value.encode() if isinstance(value, str) else value)
    whole = {"min_len": len(value) >= rules.min_len, "max_len": len(value) <= rules.max_len}
    if isinstance(value, str):
        whole |= {"min_bytes": size >= rules.min_bytes, "max_bytes": size <= rules.max_bytes}
        whole |= {"len": len(value) == rules.len, "well_known_regex": is_header_text(value, rules)}
    whole |= {"prefix": value.startswith(rules.prefix), "suffix": value.endswith(rules.suffix)}
    whole |= {"pattern": not rules.pattern or re.fullmatch(rules.pattern, value, re.ASCII) is not None}
    return all(still_used for name, still_used in whole.items() if name in names)


def is_header_text(value: str, rules: validate_pb2.StringRules) -> bool:
    """Return whether a string is a header's name or value, by RFC 7230, or without characters that split requests."""
    if not rules.strict:
        return not set(value) & set("\0\r\n")
    if rules.well_known_regex == validate_pb2.HTTP_HEADER_VALUE:
        return all(character == "\t" or (character >= " " and character != "\x7f") for character in value)
    token = value.removeprefix(":")
    return token != "" and all(
        character.isascii() and (character.isalnum() or character in "!#$%&'*+,-.^_|~`") for character in token
    )
