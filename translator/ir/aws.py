"""Credentials of AWS, and what is known of instances of EC2."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class InlineKeys:
    """Keys of AWS; none shows in a repr."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)

    @property
    def digest(self) -> str:
        """A text that is another one for other keys, and tells nothing of them."""
        return sha256("\0".join((self.access_key, self.secret_key, self.session_token)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Role:
    """A role that is assumed by the credentials which are found."""

    arn: str
    external_id: str = ""
    session_name: str = ""

    @property
    def digest(self) -> str:
        """The text that stands for it."""
        return repr(self)


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Which instances are asked for.

    Attributes:
        region: their region.
        tags: the tags that all of them have: a key, with a value or None for any.
        credentials: by which AWS is asked; None for those that Headgate finds.
    """

    region: str
    tags: tuple[tuple[str, str | None], ...] = ()
    credentials: InlineKeys | Role | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """What queries are put in order by."""
        digest = self.credentials.digest if self.credentials is not None else ""
        return self.region, repr(self.tags), digest


class Instance(NamedTuple):
    """A running instance.

    Attributes:
        id: its id.
        private_ip: its address in its network; "" if it has none.
        public_ip: its address in the Internet; "" if it has none.
        zone: its availability zone.
    """

    id: str
    private_ip: str
    public_ip: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class FoundInstances:
    """What is known of the instances of a query: those that were found last; or why it is not known which there are.

    Attributes:
        instances: by their ids; None if they never could be read.
        error: what is wrong, in words for people; "" if nothing is.
    """

    instances: tuple[Instance, ...] | None = None
    error: str = ""
