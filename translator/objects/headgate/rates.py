"""Rates of requests."""

from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from translator.objects.schema.base import Fields

Unit = Literal["Second", "Minute", "Hour", "Day", "Month", "Year"]
"""A unit of time; the protocol of rate limit services has no week."""

SECONDS: Final = {
    "Second": 1,
    "Minute": 60,
    "Hour": 3600,
    "Day": 86_400,
    "Month": 30 * 86_400,
    "Year": 365 * 86_400,
}
"""The seconds of each unit; a month has 30 days, and a year 365."""


class RequestRate(Fields):
    """A number of requests in a time."""

    requests: Annotated[StrictInt, Field(ge=0, le=2**32 - 1)]
    """The number."""
    unit: Unit
    """The time. A Month has 30 days, a Year 365; there is no week: use Day."""
