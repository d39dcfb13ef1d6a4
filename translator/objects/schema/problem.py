"""Problems of an object, in words for its author."""

from dataclasses import dataclass
from typing import Literal

from translator.objects.schema.base import Path


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with an object as it was written.

    Attributes:
        path: Where in the object, with the user's own field names. The last part is missing from the object where
            the problem is that something is not there.
        message: What to do about it; it reads on from the path, and never shows a secret.
        severity: An "error" keeps the object from being used; a "warning" does not.
    """

    path: Path
    message: str
    severity: Literal["error", "warning"] = "error"

    @property
    def where(self) -> str:
        """The path as people write it: "spec.rules[0].matches"."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")

    def __str__(self) -> str:
        """As in "spec.rules[0].name: is required"."""
        return f"{self.where}: {self.message}" if self.path else self.message
