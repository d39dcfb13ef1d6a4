"""Random messages of Envoy's API: mostly valid ones, with values at and near their bounds."""

from random import Random
from typing import Any, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from headgate_proto.validate import validate_pb2
from xds.validation.validate import REQUIRED, RULES

STRINGS = ["a", "b", "/a", "", "/a/", "a\nb", "a\x01b", ":path", "é" * 20, "x" * 44, "http", "LH", "x" * 256, "x" * 300]
INTEGERS = [1, 2, 0, 9, 15, 64, 100, 200, 599, 600, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, -1]
FLOATS = [0.5, 1.0, 0.0, 100.0, -1.0, 1.5, float("nan"), float("inf")]
TIMES = [(1, 0), (0, 0), (0, 1_000_000), (0, 999_999), (300, 0), (86_400, 0), (-1, 0), (0, -1), (315_576_000_001, 0)]

INTEGER_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


M = TypeVar("M", bound=Message)


class MessageMaker:
    """Makes random messages; the same random numbers make the same messages.

    Args:
        random: where the choices come from.
        contents: the types that go into google.protobuf.Any; none leaves Any fields unset.
        breaking: how often a rule is ignored, from 0 to 1.
    """

    def __init__(self, random: Random, contents: tuple[type[Message], ...] = (), breaking: float = 0.05) -> None:
        self.random = random
        self.contents = contents
        self.breaking = breaking

    def make(self, kind: type[M], depth: int = 4) -> M:
        """Return a message, at most `depth` levels deep apart from what rules require."""
        message = kind()
        for field in self._chosen(message, depth):
            self._set(message, field, depth - 1)
        return message

    def _chosen(self, message: Message, depth: int) -> list[FieldDescriptor]:
        descriptor = message.DESCRIPTOR
        assert isinstance(descriptor, Descriptor)
        if depth <= -4:
            return []
        free = [field for field in descriptor.fields if field.containing_oneof is None]
        chosen = [f for f in free if self._needs(f) and self.random.random() > self.breaking]
        for oneof in descriptor.oneofs:
            required: bool = oneof.GetOptions().Extensions[REQUIRED]
            if self.random.random() > (self.breaking if required else 0.8):
                chosen.append(self.random.choice(list(oneof.fields)))
        if depth > 0 and free:
            chosen += self.random.sample(free, k=min(len(free), self.random.randrange(4)))
        return chosen

    def _needs(self, field: FieldDescriptor) -> bool:
        rules: validate_pb2.FieldRules = field.GetOptions().Extensions[RULES]
        if field.is_repeated:
            return bool(rules.repeated.min_items or rules.map.min_pairs)
        if field.message_type is not None:
            return bool(rules.message.required or rules.duration.required or rules.any.required)
        return rules.WhichOneof("type") is not None

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._set_map(getattr(message, field.name), field.message_type, depth)
        elif field.is_repeated:
            values = getattr(message, field.name)
            for _ in range(self.random.choice([1, 1, 2, 0])):
                if (value := self._value(field, depth)) is not None:
                    values.append(value)
        elif field.message_type is not None:
            if (value := self._value(field, depth)) is not None:
                getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, self._value(field, depth))

    def _set_map(self, pairs: Any, entry: Descriptor, depth: int) -> None:
        key, value = (entry.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self.random.choice([1, 2, 0])):
            made, at = self._value(value, depth), self._value(key, depth)
            if made is None:
                continue
            if value.message_type is not None:
                pairs[at].CopyFrom(made)
            else:
                pairs[at] = made

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        kind = field.cpp_type
        if field.message_type is not None:
            return self._message(GetMessageClass(field.message_type), depth)
        if field.enum_type is not None:
            return self._around([value.number for value in field.enum_type.values], [99])
        if kind in INTEGER_RANGES:
            least, most = INTEGER_RANGES[kind]
            return self._around([1, 2, 10], [value for value in INTEGERS if least <= value <= most])
        if kind == FieldDescriptor.CPPTYPE_STRING:
            text = self._around(["a", "b", "/a"], STRINGS)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.random.random() < 0.5
        return self._around([0.5, 1.0], FLOATS)

    def _around(self, usual: list[Any], others: list[Any]) -> Any:
        return self.random.choice(others if self.random.random() < 4 * self.breaking else usual)

    def _message(self, kind: type[Message], depth: int) -> Message | None:
        name = kind.DESCRIPTOR.full_name
        if name in ("google.protobuf.Duration", "google.protobuf.Timestamp"):
            seconds, nanos = self._around(TIMES[:3], TIMES)
            return kind(seconds=seconds, nanos=nanos)
        if name == "google.protobuf.Any":
            return self._any(depth) if self.contents else None
        return self.make(kind, depth)

    def _any(self, depth: int) -> AnyMessage:
        packed = AnyMessage()
        packed.Pack(self.make(self.random.choice(self.contents), depth))
        if self.random.random() < self.breaking:
            packed.value = b"\xff"
        if self.random.random() < self.breaking:
            packed.type_url = "type.googleapis.com/example.Unknown"
        return packed
