"""What the documentation says of a field that its type and its docstring do not: a marker, like those of `merging`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doc:
    """Documentation of a field, and of all fields below it that have none of their own.

    ``timeout: Annotated[Milliseconds | None, Doc(envoy="RouteAction.timeout")] = None``

    Attributes:
        envoy: what it becomes: the message and field of Envoy, or the object and field of Kubernetes.
        default: what holds where nobody sets it, if the docstring has no sentence that begins with "By default".
        attach: where a policy with the field may be attached, if not wherever one of its kind may be.
    """

    envoy: str = ""
    default: str = ""
    attach: str = ""


@dataclass(frozen=True, slots=True)
class TypeName:
    """The name of a type for the documentation, in the metadata of the type.

    Attributes:
        name: the name, such as ``regular expression``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class JudgedByModel:
    """A marker of a list whose items have no rules of CEL in the definition: the model alone judges them.

    The API server multiplies the estimated cost of the rules by the length of the list, and rejects a definition that
    is too dear.
    """
