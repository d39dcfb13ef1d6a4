"""What a web application firewall is to do for a request: its *profile*, which travels with each request.

The filter writes it into the metadata of its gRPC calls, so that the service needs no configuration: an edit of a
policy is in effect with the next request, and one service serves policies of all kinds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from translator.languages.seclang import Directives, SecLangError, read_directives

METADATA: Final = "x-headgate-waf"
"""The key of the metadata."""
MOST_BYTES: Final = 16 * 1024
"""The longest profile, as it is written: Envoy takes no longer values of metadata."""
PARANOIA_LEVELS: Final = range(1, 5)
MOST_THRESHOLD: Final = 10_000
"""The highest score that a request may be let pass with."""
MOST_BODY_BYTES: Final = 1024 * 1024
"""The most of a body that is inspected."""
MOST_EXCLUSIONS: Final = 64
MOST_ITEMS: Final = 32
"""The most rules, targets and paths of an exclusion."""
BODY_BYTES: Final = 128 * 1024
"""How much of a body is inspected where nothing says so."""
THRESHOLD: Final = 5
"""The score from which on a request is refused where nothing says so: that of one critical rule."""

Mode = Literal["Enforce", "DetectOnly"]
Overflow = Literal["Pass", "Reject"]

TARGET: Final = (
    r"^(ARGS|ARGS_NAMES|ARGS_GET|ARGS_GET_NAMES|ARGS_POST|ARGS_POST_NAMES|REQUEST_COOKIES|REQUEST_COOKIES_NAMES|"
    r"REQUEST_HEADERS|REQUEST_HEADERS_NAMES|REQUEST_BODY|REQUEST_FILENAME|REQUEST_BASENAME|REQUEST_URI|REQUEST_URI_RAW|"
    r"QUERY_STRING|FILES|FILES_NAMES|MULTIPART_PART_HEADERS|RESPONSE_BODY|RESPONSE_HEADERS)(:[A-Za-z0-9_.-]+)?$"
)
"""A part of requests: a variable of ModSecurity, and the name of one of its members."""
LONGEST_TARGET: Final = 160
"""The most characters of a part of requests."""
PATH: Final = r"^/[A-Za-z0-9_.~!$&()*+,;=:@/-]*$"
"""A path, as proxies send it on: with nothing in it that has to be decoded."""
LONGEST_PATH: Final = 1024
"""The most characters of a path of an exclusion."""


class ProfileError(ValueError):
    """A profile that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rules that do not look at something.

    Attributes:
        rules: the ids of the rules; all of the Core Rule Set if there is none.
        targets: the parts of requests that they do not look at; nothing at all if there is none.
        paths: the paths at which that holds, with all below them; everywhere if there is none.
    """

    rules: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile.

    Attributes:
        mode: whether requests are refused, or only reported.
        paranoia: the paranoia level of the Core Rule Set.
        threshold: the score from which on a request is refused; responses are from one less on.
        exclusions: rules that do not look at something.
        directives: directives of the user's own.
        body_bytes: how much of a body is inspected.
        overflow: what happens to longer ones.
        response: whether responses are inspected, too.
    """

    mode: Mode = "Enforce"
    paranoia: int = 1
    threshold: int = THRESHOLD
    exclusions: tuple[Exclusion, ...] = ()
    directives: str = ""
    body_bytes: int = BODY_BYTES
    overflow: Overflow = "Reject"
    response: bool = False

    @property
    def rules_key(self) -> Profile:
        """The profile with what makes no difference to its rules left at its default."""
        return Profile(self.mode, self.paranoia, self.threshold, self.exclusions, self.directives)

    def read_directives(self) -> Directives:
        """Return its directives.

        Raises:
            SecLangError: they are not valid.
        """
        return read_directives(self.directives)

    def to_text(self) -> str:
        """Return its text: JSON, of ASCII without %, with what is not the default; equal profiles have equal texts."""
        default = Profile()
        made: dict[str, Any] = {
            name: value for name in _FIELDS if (value := getattr(self, name)) != getattr(default, name)
        }
        if self.exclusions:
            made["exclusions"] = [
                {name: list(value) for name in _LISTS if (value := getattr(each, name))} for each in self.exclusions
            ]
        # Envoy would take what is between two of these for one of its commands.
        return json.dumps(made, separators=(",", ":")).replace("%", "\\u0025")

    @classmethod
    @lru_cache(maxsize=64)  # each request brings the text of its profile
    def parse(cls, text: str) -> Profile:
        """Parse the text of a profile.

        Raises:
            ProfileError: it is none.
        """
        if len(text) > MOST_BYTES:
            raise ProfileError(f"the profile has {len(text):,} bytes, and {MOST_BYTES:,} are the most")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise ProfileError("the profile is not JSON") from None
        if not isinstance(found, dict) or not found.keys() <= {*_FIELDS, "exclusions"}:
            raise ProfileError(f"the profile is no object with the fields exclusions, {', '.join(_FIELDS)}")
        exclusions = found.pop("exclusions", [])
        if not isinstance(exclusions, list):
            raise ProfileError("exclusions is no list")
        made = cls(**found, exclusions=tuple(_exclusion(each) for each in exclusions))
        if problem := made.problem():
            raise ProfileError(problem)
        return made

    def problem(self) -> str | None:
        """Return what is wrong with it; None if nothing is."""
        checks = (
            ("mode", self.mode in get_args(Mode)),
            ("paranoia", _is_number(self.paranoia, PARANOIA_LEVELS)),
            ("threshold", _is_number(self.threshold, range(1, MOST_THRESHOLD + 1))),
            ("body_bytes", _is_number(self.body_bytes, range(1, MOST_BODY_BYTES + 1))),
            ("overflow", self.overflow in get_args(Overflow)),
            ("response", isinstance(self.response, bool)),
            ("directives", isinstance(self.directives, str)),
            ("exclusions", len(self.exclusions) <= MOST_EXCLUSIONS and all(map(_is_exclusion, self.exclusions))),
        )
        for name, is_right in checks:
            if not is_right:
                return f"{name} has a value that it cannot have"
        try:
            self.read_directives()
        except SecLangError as error:
            return f"directives: {error}"
        return None


_FIELDS: Final = ("mode", "paranoia", "threshold", "directives", "body_bytes", "overflow", "response")
_LISTS: Final = ("rules", "targets", "paths")


def _exclusion(found: object) -> Exclusion:
    if not isinstance(found, dict) or not found.keys() <= set(_LISTS):
        raise ProfileError(f"an exclusion is no object with the fields {', '.join(_LISTS)}")
    if not all(isinstance(each, list) for each in found.values()):
        raise ProfileError("a field of an exclusion is no list")
    return Exclusion(**{name: tuple(value) for name, value in found.items()})


def _is_exclusion(found: Exclusion) -> bool:
    return (
        bool(found.rules or found.targets)
        and max(len(found.rules), len(found.targets), len(found.paths)) <= MOST_ITEMS
        and all(_is_number(each, range(1, 1_000_000_000)) for each in found.rules)
        and all(_matches(TARGET, LONGEST_TARGET, each) for each in found.targets)
        and all(_matches(PATH, LONGEST_PATH, each) for each in found.paths)
    )


def _matches(pattern: str, longest: int, value: object) -> bool:
    return isinstance(value, str) and len(value) <= longest and re.fullmatch(pattern[1:-1], value) is not None


def _is_number(value: object, within: range) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in within
