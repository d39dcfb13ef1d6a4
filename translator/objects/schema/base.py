"""Base classes of objects: metadata, identity, equality, and rules across fields."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from translator.objects.schema.scalars import MAX_GENERATION, Annotations, DnsLabel, DnsSubdomain, Labels, Text
from translator.refs import Ref

Path = tuple[str | int, ...]
"""Where in an object: field names as the user wrote them, and list indexes."""


class FieldViolation(NamedTuple):
    """A rule that a value breaks: where, below the value that was checked, and what to do about it."""

    path: Path
    message: str


def presence_violations(where: str, *members: tuple[str, bool, bool]) -> Iterator[FieldViolation]:
    """Yield a violation for each member that is set and must not be, and for each that is required and not set.

    Args:
        where: what decides that, for messages: "type is URI".
        members: the name of each in JSON, whether it is set, and whether it is required; otherwise it must not be set.
    """
    for field, given, required in members:
        if given and not required:
            yield FieldViolation((field,), f"must not be set where {where}: remove it")
        elif required and not given:
            yield FieldViolation((field,), f"is required where {where}: add it")


def raise_violations(violations: Iterable[FieldViolation]) -> None:
    """Do nothing if there are no violations.

    Raises:
        PydanticCustomError: There are; it carries all of them in its context, for `parse` to unpack.
    """
    found = tuple(violations)
    if found:
        raise PydanticCustomError("violations", "breaks a rule", {"violations": found})


_SET: Final = object.__setattr__
_DELETE: Final = object.__delattr__
_GIVEN: Final[dict[frozenset[str], set[str]]] = {}


class Fields(BaseModel):
    """The fields of one level of an object: a frozen value, equal to another of its type whose fields are equal."""

    # What validates a model is made when the first object needs it: that of all kinds takes longer than a start has.
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True, defer_build=True
    )

    ignored_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that the API has at this level and nothing here reads: not declared, but not unknown either."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """For policies: groups of fields of which one excludes the others, which merging takes as one choice."""
    one_of_items: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """For policies: groups of lists of which one only has an item with a key; the most specific policy says which."""

    def model_post_init(self, _: object) -> None:
        """Have all of a type share the names of their fields, and those of which were given: half of what one takes.

        The dict that pydantic makes has names of its own; that of attributes which are set has those of the type.
        """
        given = self.model_fields_set
        _SET(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))
        values = self.__dict__
        _DELETE(self, "__dict__")
        for name in values:
            _SET(self, name, values[name])

    def __eq__(self, other: object) -> bool:
        """Return what pydantic does, several times as fast: frozen models have neither private nor extra attributes."""
        return self is other or (type(self) is type(other) and self.__dict__ == other.__dict__)

    def __hash__(self) -> int:
        """Of the fields; those that hold a map cannot be hashed, and nothing needs them to be."""
        return hash((type(self), *self.__dict__.values()))


class CelRule(NamedTuple):
    """A rule in the API server's own words: an expression in CEL over `self`, and what to do where it does not hold.

    The error is at `self`, or at its field `field`.
    """

    cel: str
    message: str
    field: str = ""


def exactly_one(*names: str, message: str = "") -> CelRule:
    """Return the rule that exactly one of some fields is set.

    Args:
        names: their names in JSON.
        message: what to do about it, if it is not to name all of them.
    """
    given = ", ".join(f"has(self.{each})" for each in names)
    return CelRule(f"[{given}].filter(x, x).size() == 1", message or f"exactly one of {', '.join(names)} must be set")


class CheckedFields(Fields):
    """Fields with rules that span several of them; a subclass says in `violations` what is wrong."""

    rules: ClassVar[tuple[CelRule, ...]] = ()
    """For kinds of our own, what `violations` says for their custom resource definition."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each rule that is broken. Called once every field by itself is right."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_violations(self.violations())
        return self


def _itself(item: object) -> object:
    return item


def shared() -> AfterValidator:
    """Return a validator for lists of values that thousands of objects have alike: equal ones become the same.

    Which of their fields were given must not matter, as equal values may differ in that.
    """
    return AfterValidator(lru_cache(maxsize=4096)(_itself))


def unique(key: str | None, message: str) -> AfterValidator:
    """Return a validator for lists of which no two items may be equal, or have the same `key` attributes.

    Args:
        key: Names of attributes with commas between them; None compares the items themselves.
        message: What to do about it; the path tells which item.
    """
    of: Callable[[Any], Hashable] = attrgetter(*key.split(",")) if key else _itself

    def check(items: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if items is not None and len(items) > 1 and len(set(map(of, items))) < len(items):
            raise_violations(FieldViolation((index,), message) for index in repeated(map(of, items)))
        return items

    check.unique_by = key  # type: ignore[attr-defined]  # for custom resource definitions
    return AfterValidator(check)


def repeated(keys: Iterable[Hashable]) -> Iterator[int]:
    """Yield the indexes of the keys that came before already."""
    seen: Counter[Hashable] = Counter()
    for index, key in enumerate(keys):
        seen[key] += 1
        if seen[key] > 1:
            yield index


_UTC_SECONDS: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _in_utc(timestamp: str) -> str:
    if _UTC_SECONDS.fullmatch(timestamp):
        return timestamp
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            raise ValueError(timestamp)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise PydanticCustomError("timestamp", "must be a time with its zone, like 2026-01-31T12:00:00Z") from None


Timestamp = Annotated[Text, AfterValidator(_in_utc)]
"""A time of RFC 3339, held in UTC and whole seconds, as the API server writes it: its order is that of time."""


LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` stores the whole object: it is not kept, and no change of it is one."""
_NONE: Final[Mapping[str, str]] = {}


def _none() -> Mapping[str, str]:
    return _NONE


def _kept(annotations: Mapping[str, str]) -> Mapping[str, str]:
    if LAST_APPLIED not in annotations:
        return annotations or _NONE
    return {name: value for name, value in annotations.items() if name != LAST_APPLIED} or _NONE


class ObjectMeta(Fields):
    """The metadata of every object that is read. In files only the name is sure to be there."""

    ignored_fields = frozenset(
        {
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "finalizers",
            "generateName",
            "managedFields",
            "ownerReferences",
            "resourceVersion",
            "selfLink",
        }
    )

    name: DnsSubdomain
    # All that have none share one map.
    labels: Labels = Field(default_factory=_none)
    annotations: Annotated[Annotations, AfterValidator(_kept)] = Field(default_factory=_none)
    generation: Annotated[StrictInt, Field(ge=0, le=MAX_GENERATION)] = 0
    creation_timestamp: Timestamp | None = None
    uid: Text | None = None


class NamespacedMeta(ObjectMeta):
    """The metadata of an object that lives in a namespace."""

    namespace: DnsLabel = "default"


class ClusterMeta(ObjectMeta):
    """The metadata of an object that lives in no namespace."""

    namespace: Literal[""] = ""


class PrinterColumn(NamedTuple):
    """A column of `kubectl get` (`CustomResourceColumnDefinition`): its name, its type, and a JSONPath to its value."""

    name: str
    type: str
    json_path: str


class KubernetesObject(Fields):
    """One object of the API, as a value."""

    ignored_fields = frozenset({"apiVersion", "kind", "status"})

    kind: ClassVar[str]
    group: ClassVar[str]
    """The API group; "" is the core group."""
    versions: ClassVar[tuple[str, ...]]
    """The versions of it that are read; the first is the one to ask an API server for."""
    plural: ClassVar[str]
    """Its name in the URLs and RBAC rules of an API server."""
    namespaced: ClassVar[bool]
    metadata_only: ClassVar[bool] = False
    """Whether nothing but its metadata is asked for."""
    selector: ClassVar[str] = ""
    """The labels of those that matter, as a selector for an API server; "" for all."""
    on_demand: ClassVar[bool] = False
    """Whether of a cluster only those objects are read that others refer to."""
    own_only: ClassVar[bool] = False
    """Whether of a cluster only those objects are read that Headgate itself has deployed."""
    rbac_reason: ClassVar[str] = "Read the objects that Headgate serves."
    """Why Headgate may read objects of the kind, in a sentence beside the RBAC rule."""
    has_schema_defaults: ClassVar[bool] = True
    """For kinds of our own: whether the schema in their custom resource definition sets defaults."""
    short_names: ClassVar[tuple[str, ...]] = ()
    """For kinds of our own: their short names for kubectl."""
    named_by: ClassVar[str] = ""
    """For kinds of our own that are no policies: what names objects of it, for the documentation."""
    printer_columns: ClassVar[tuple[PrinterColumn, ...]] = ()
    """For kinds of our own: the columns of `kubectl get` beside the name, `Accepted` and the age."""

    metadata: NamespacedMeta | ClusterMeta

    @property
    def ref(self) -> Ref:
        """The name of this object among all objects."""
        return Ref(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def creation_time(self) -> str:
        """When the object was created, as a string that sorts by time; "", before all others, if it does not say."""
        return self.metadata.creation_timestamp or ""


class NamespacedObject(KubernetesObject):
    """An object that lives in a namespace."""

    namespaced = True
    metadata: NamespacedMeta


class ClusterObject(KubernetesObject):
    """An object of the cluster as a whole."""

    namespaced = False
    metadata: ClusterMeta
