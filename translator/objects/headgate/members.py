"""Specs that are one of their members, which says what an object is."""

from collections.abc import Iterator
from typing import ClassVar

from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, exactly_one


class OneMember(CheckedFields):
    """A spec of whose members exactly one is set; a subclass names them, as they are in the model."""

    rules: ClassVar[tuple[CelRule, ...]] = ()
    members: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Make the rule of a subclass, which knows its members."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.rules = (exactly_one(*(cls.model_fields[each].alias or each for each in cls.members)),)

    @property
    def member(self) -> str:
        """The name of the member that is set, in the model."""
        return next(each for each in self.members if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if sum(getattr(self, each) is not None for each in self.members) != 1:
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the others")
