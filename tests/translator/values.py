"""Values of the fields of objects, made from their models: valid ones at random, and wrong ones of each type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from deploy.leaves import Leaf, constraints_of, peel, type_name
from translator.objects.schema.base import Fields

Raw = dict[str, Any]

_STRINGS = (
    "a a.example.com x-one x-two /a http://a.example.com https://a.example.com:8443 %PROTOCOL% %REQ(X-ONE)% "
    "GET CONNECT websocket 1s 10s 500ms 2m 0s 10Mi 64Ki 0.25% 50% 10.0.0.0/8 text/html application/json "
    "Service TrafficPolicy gateway.networking.k8s.io 500-599 10k 127.0.0.1 redis.example.com:6379 request.path=='/a' "
    "123456789012 us-east-1 arn:aws:iam::123456789012:role/a "
    "https://a.example.com/back /geo/a.mmdb ARGS:a REQUEST_COOKIES registry.example.com/team/module:v1 5xx"
)
_HASHES = (f"{'A' * 43}=", "0" * 64)
_SCRIPTS = ("function envoy_on_request(handle) end", "error('at load')")
_TEMPLATES = ("{{ header('x-one') }}", "{% for x in items %}{{ x | tojson }}{% endfor %}", ":path", ":status")
STRINGS = (*_STRINGS.split(), *_HASHES, *_SCRIPTS, *_TEMPLATES)
SCALARS: tuple[Any, ...] = (
    *STRINGS,
    *(0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 301, 302, 404, 429, 500, 503, 1000, 8080, 65536, 10**6),
    *(True, False),
    *({}, {"a": "b"}, {"a": {"b": 1}}),
)
WRONG: tuple[Any, ...] = (
    *([], ["\0"], {"a": [{}]}, "", "\0", "no such value", 3.5, True, "x", "-1s", "1 hour", "101%", "1.5.2"),
    *(-1, 0, 10**12, "x" * 20000, "%NOPE%", "1 +", [[]], "99Ei"),
)
ATTEMPTS = 600


class Maker:
    """Makes valid values of models, from a source of randomness."""

    def __init__(self, random: Random, share: float = 0.3) -> None:
        """Take the randomness, and how often a field is set that need not be."""
        self._random = random
        self._share = share

    def struct(self, model: type[Fields], path: tuple[str, ...] = ()) -> Raw:
        """Return a valid value of a model, as users write it, in which what a path leads to is set.

        Raises:
            LookupError: none was found.
        """
        if not model.model_fields:
            return {}
        for attempt in range(ATTEMPTS):
            # Rules between fields forbid that many are set, or ask for more than one.
            share = (self._share, 1 / len(model.model_fields), self._random.random())[attempt % 3]
            found = {}
            for name, info in model.model_fields.items():
                alias = info.alias or name
                rest = path[1:] if path and path[0].removesuffix("[]") == alias else None
                if info.is_required() or rest is not None or self._random.random() < share:
                    found[alias] = self._value(info.annotation, tuple(info.metadata), rest or ())
            if is_valid(model, found):
                return found
        raise LookupError(f"{model.__name__}: no valid value with {'.'.join(path)} found")

    def field(self, model: type[Fields], name: str) -> Any:
        """Return a valid value of a field of a model, by its name in Python."""
        return self.value(model.model_fields[name])

    def value(self, info: FieldInfo) -> Any:
        """Return a valid value of a field."""
        for _ in range(ATTEMPTS):
            found = self._value(info.annotation, tuple(info.metadata))
            if takes(info.annotation, tuple(info.metadata), found):
                return found
        raise LookupError(f"{info}: no valid value found")

    def _value(self, annotation: Any, metadata: tuple[Any, ...], path: tuple[str, ...] = ()) -> Any:
        core, more = peel(annotation)
        metadata = (*metadata, *more)
        if isinstance(core, type) and issubclass(core, Fields):
            return self.struct(core, path)
        if get_origin(core) is tuple:
            low = constraints_of(metadata).get("min_length", 0)
            high = min(constraints_of(metadata).get("max_length", 3), low + 2)
            number = max(self._random.randint(low, high), 1 if path else 0)
            item = get_args(core)[0]
            return [self._value(item, (), path if place == 0 else ()) for place in range(number)]
        return self._random.choice(valid_scalars(core, metadata))


def is_valid(model: type[Fields], raw: Raw) -> bool:
    """Return whether a value of a model is valid."""
    try:
        model.model_validate(raw)
    except ValidationError:
        return False
    return True


def valid_scalars(core: Any, metadata: tuple[Any, ...]) -> list[Any]:
    """Return valid values of a type that has no fields.

    Raises:
        LookupError: none is known: add one to `SCALARS`.
    """
    if get_origin(core) is Literal:
        return list(get_args(core))
    found = _taken(core, tuple(each for each in metadata if _is_hashable(each)))
    if not found:
        raise LookupError(f"no valid {type_name(core, metadata)} is known ({core}, {metadata})")
    return found


@cache
def _taken(core: Any, metadata: tuple[Any, ...]) -> list[Any]:
    return [each for each in SCALARS if takes(core, metadata, each)]


def wrong_values(leaf: Leaf) -> Iterator[Any]:
    """Yield values that are not of the type of a leaf: of other types, out of its range, too long, of another form."""
    limits = constraints_of(leaf.metadata)
    core = leaf.annotation
    edges: list[Any] = []
    if core is int:
        edges = [limits[name] + step for name, step in (("ge", -1), ("le", 1)) if name in limits]
    elif core is str and "max_length" in limits:
        edges = ["x" * (limits["max_length"] + 1)]
    elif get_origin(core) is tuple and "max_length" in limits:
        items = _items(core)[:1]
        edges = [items * (limits["max_length"] + 1)] if items else []
    elif get_origin(core) is Literal:
        edges = [str(get_args(core)[0]).swapcase() + "x"]
    yield from (each for each in (*edges, *WRONG) if not takes(core, leaf.metadata, each))


def _items(core: Any) -> list[Any]:
    item, metadata = peel(get_args(core)[0])
    return [] if isinstance(item, type) and issubclass(item, Fields) else valid_scalars(item, metadata)


def takes(core: Any, metadata: tuple[Any, ...], value: Any) -> bool:
    """Return whether a type takes a value."""
    try:
        _adapter(core, tuple(each for each in metadata if _is_hashable(each))).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _adapter(core: Any, metadata: tuple[Any, ...]) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[(core, *metadata)] if metadata else core)


def _is_hashable(each: object) -> bool:
    try:
        hash(each)
    except TypeError:
        return False
    return True


def replaced(raw: Raw, path: tuple[str, ...], value: Any) -> Raw:
    """Return a value in which what a path leads to is another value; of lists, the first item is meant."""
    step, *rest = path
    name = step.removesuffix("[]")
    if not rest:
        return {**raw, name: value}
    if step.endswith("[]"):
        return {**raw, name: [replaced(raw[name][0], tuple(rest), value), *raw[name][1:]]}
    return {**raw, name: replaced(raw[name], tuple(rest), value)}


def in_path(leaf: Leaf) -> tuple[str | int, ...]:
    """Return the path of a leaf as problems have it: of lists, the first item is meant."""
    steps: list[str | int] = []
    for each in leaf.path.split("."):
        steps += [each.removesuffix("[]"), 0] if each.endswith("[]") else [each]
    return tuple(steps)


def paths(raw: object, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all leaves that a value sets, as `Leaf.path` writes them."""
    if isinstance(raw, Mapping):
        yield prefix
        for name, each in raw.items():
            yield from paths(each, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(raw, list):
        yield prefix
        for each in raw:
            if isinstance(each, Mapping):
                yield from paths(each, f"{prefix}[]")
    else:
        yield prefix
