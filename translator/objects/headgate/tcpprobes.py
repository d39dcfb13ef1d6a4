"""The numbers of probes of TCP that Linux takes; Envoy refuses a listener, and opens no connection, with others."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, StrictInt

from translator.objects.schema.base import CelRule, FieldViolation, raise_violations
from translator.objects.schema.documentation import TypeName
from translator.objects.schema.scalars import PositiveMilliseconds

MOST_PROBES: Final = 127
"""Linux's `MAX_TCP_KEEPCNT`."""
LONGEST_SILENCE: Final = 32_767
"""Linux's `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`, in seconds."""
_LIMIT: Final = CelRule(
    f"duration(self) <= duration('{LONGEST_SILENCE}s')", f"must be at most {LONGEST_SILENCE}s, which is what Linux has"
)


def _at_most(value: int) -> int:
    if value > LONGEST_SILENCE * 1000:
        raise_violations([FieldViolation((), _LIMIT.message)])
    return value


_at_most.rules = (_LIMIT,)  # type: ignore[attr-defined]  # for custom resource definitions
ProbeTime = Annotated[PositiveMilliseconds, AfterValidator(_at_most), TypeName(f"duration of up to {LONGEST_SILENCE}s")]
"""A time before, or between, probes."""
Probes = Annotated[StrictInt, Field(ge=1, le=MOST_PROBES)]
"""How many probes there are."""
