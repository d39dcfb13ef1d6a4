"""The unit `dynamicModule` of TrafficPolicies: shared libraries that see requests and responses, and change them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.headgate.filterentries import OneName, ends_all, object_violations
from translator.objects.headgate.responses import JsonObject
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ByKey
from translator.objects.schema.scalars import PRINTABLE, PortName

MOST_LIBRARIES: Final = 4
"""How many shared libraries a request may pass of those of policies."""

_UNNAMED: Final = "must be the name of a library that the operator allows: add it"
_FILTER: Final = "is required unless disable is set: add the name of the library's filter"

FilterName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]


class DynamicModule(Disableable):
    """A filter of a shared library that sees requests and responses, and changes them."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.disable) || (has(self.name) && self.name != '')", _UNNAMED, "name"),
        CelRule("has(self.disable) || has(self.filterName)", _FILTER, "filterName"),
    )
    beside_disable: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Annotated[PortName, Doc(envoy="DynamicModuleConfig.module")] = ""
    """The name of the library, of those that the operator allows, by which more specific policies replace it or switch
    it off. An entry with `disable` and no name switches off all of less specific policies."""
    filter_name: Annotated[FilterName | None, Doc(envoy="DynamicModuleFilter.filter_name")] = None
    """Which of the filters that the library has."""
    config: Annotated[JsonObject | None, Doc(envoy="DynamicModuleFilter.filter_config")] = None
    """A JSON object that the filter gets, as text, when it is configured. It is no place for secrets."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of no library or filter, and of a configuration that is too long, or no JSON for Envoy."""
        yield from super().violations()
        if self.disable is None and not self.name:
            yield FieldViolation(("name",), _UNNAMED)
        if self.disable is None and self.filter_name is None:
            yield FieldViolation(("filterName",), _FILTER)
        if self.config is not None:
            yield from object_violations("config", self.config)


ONE_LIBRARY: Final = OneName("dynamicModule", "library")
DynamicModules = Annotated[
    tuple[DynamicModule, ...] | None,
    Field(max_length=MOST_LIBRARIES),
    AfterValidator(ONE_LIBRARY),
    ByKey("name", ends=ends_all),
]
"""Filters of shared libraries, by the names of these."""
