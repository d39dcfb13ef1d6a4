"""The directives of a profile: the engine set up, what comes before the Core Rule Set, and what after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from headgate.waf.rule_files import RuleFiles
from headgate.waf.truncated import JSON, XML
from translator.waf_profile import Exclusion, Profile

FIRST_ID: Final = 9_990_000
"""The ids of rules of our own begin with this one: neither the Core Rule Set nor users have such."""
UNREADABLE: Final = frozenset({FIRST_ID + 2, FIRST_ID + 3})
"""Rules that match a body that cannot be read: the rest of it may have been left out."""
MOST_ARGUMENTS: Final = 1_000
"""The most parameters of a request: what follows them would not be inspected."""
JSON_DEPTH: Final = 128
"""The deepest JSON, and the most parts of a body in each other."""
PCRE_STEPS: Final = 100_000
"""How much an expression may try, at one place of a text; a request with which one would try more is refused."""
BODY_LIMIT: Final = 64 * 1024 * 1024
"""More than is ever inspected: the proxy and the service cut bodies to what the profile says."""

_INSPECTED: Final = " ".join(
    ["text/plain", "text/html", "text/xml", "text/css", "text/javascript"]
    + [f"application/{each}" for each in ("json", "xml", "javascript")]
)
_SETTINGS: Final = f"""
SecRequestBodyAccess On
SecRequestBodyLimit {BODY_LIMIT}
SecRequestBodyNoFilesLimit {BODY_LIMIT}
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit {JSON_DEPTH}
SecArgumentsLimit {MOST_ARGUMENTS}
SecResponseBodyAccess On
SecResponseBodyLimit {BODY_LIMIT}
SecResponseBodyLimitAction ProcessPartial
SecResponseBodyMimeType {_INSPECTED}
SecPcreMatchLimit {PCRE_STEPS}
SecPcreMatchLimitRecursion {PCRE_STEPS}
SecAuditEngine Off
SecUploadKeepFiles Off
SecCookieFormat 0
SecArgumentSeparator &
"""


def _rule(number: int, condition: str, actions: str, message: str = "") -> str:
    told = f",log,severity:2,msg:'{message}'" if message else ",nolog"
    return f'SecRule {condition} "id:{FIRST_ID + number},t:none,{actions}{told}"'


_FIRST: Final = (
    _rule(
        0,
        f'REQUEST_HEADERS:Content-Type "@rx {XML}"',
        "phase:1,t:lowercase,pass,ctl:requestBodyProcessor=XML",
    ),
    _rule(
        1,
        f'REQUEST_HEADERS:Content-Type "@rx {JSON}"',
        "phase:1,t:lowercase,pass,ctl:requestBodyProcessor=JSON",
    ),
    _rule(2, 'REQBODY_ERROR "!@eq 0"', "phase:2,pass", "The body of the request cannot be read"),
    _rule(
        3, 'MULTIPART_STRICT_ERROR "!@eq 0"', "phase:2,pass", "The parts of the body cannot be told apart for certain"
    ),
    _rule(4, f'&ARGS "@ge {MOST_ARGUMENTS}"', "phase:2,deny,status:400", "The request has too many parameters"),
)
_LAST: Final = tuple(
    _rule(number, 'MSC_PCRE_LIMITS_EXCEEDED "@eq 1"', actions, "An expression would take too long")
    for number, actions in ((5, "phase:2,deny,status:403"), (6, "phase:4,pass"))
)
_EVERY: Final = "OWASP_CRS"
"""The tag of all rules of the Core Rule Set."""


def directives(files: RuleFiles, profile: Profile, response: bool) -> Iterator[str]:
    """Yield the directives of a profile in order, each text to be loaded for itself.

    Raises:
        SecLangError: those of the user are not valid.
    """
    own = profile.read_directives()
    yield f"SecRuleEngine {'On' if profile.mode == 'Enforce' else 'DetectionOnly'}\n{_SETTINGS}"
    yield _lines(iter(_FIRST))
    yield files.setup
    yield _levels(profile)
    yield _lines(_conditional(profile))
    yield _lines(iter(own.rules))
    yield from files.responses if response else files.requests
    yield _lines(_unconditional(profile))
    yield _lines(iter(own.changes))
    yield _lines(iter(_LAST))


def _lines(found: Iterator[str]) -> str:
    # The empty line ends a rule without actions.
    return "".join(f"{each}\n\n" for each in found)


def _levels(profile: Profile) -> str:
    variables = {
        "blocking_paranoia_level": profile.paranoia,
        "detection_paranoia_level": profile.paranoia,
        "inbound_anomaly_score_threshold": profile.threshold,
        "outbound_anomaly_score_threshold": max(1, profile.threshold - 1),
        # A body whose type is not known is read as a form: a backend may do so, too.
        "enforce_bodyproc_urlencoded": 1,
    }
    settings = ",".join(f"setvar:tx.{name}={value}" for name, value in variables.items())
    return f'SecAction "id:{FIRST_ID + 10},phase:1,pass,t:none,nolog,{settings}"\n\n'


def _conditional(profile: Profile) -> Iterator[str]:
    """Yield the exclusions of paths: a rule each, which comes before those that it is about."""
    number = FIRST_ID + 100
    for exclusion in profile.exclusions:
        for path in exclusion.paths:
            changes = ",".join(f"ctl:{each}" for each in _controls(exclusion))
            yield (f'SecRule REQUEST_URI_RAW "@rx {_below(path)}" "id:{number},phase:1,t:none,pass,nolog,{changes}"')
            number += 1


def _below(path: str) -> str:
    """Return an expression of a path and all below it.

    None of what backends may decode, or take for a step up, is below it: the request could be for another path.
    """
    plain = r"(?:(?!\.\.|%|\x5c|;|//)[^?#])*"
    begin = re.escape(path.rstrip("/")).replace('"', r"\"")
    return rf"^(?i:https?://[^/?#]+)?{begin}(?=[/?#]|$){plain}(?:[?#]|$)"


def _controls(exclusion: Exclusion) -> Iterator[str]:
    for rule in exclusion.rules or (None,):
        if not exclusion.targets:
            yield f"ruleRemoveById={rule}"
        for target in exclusion.targets:
            yield f"ruleRemoveTargetById={rule};{target}" if rule else f"ruleRemoveTargetByTag={_EVERY};{target}"


def _unconditional(profile: Profile) -> Iterator[str]:
    """Yield the exclusions of all paths, which change rules that are loaded."""
    for exclusion in profile.exclusions:
        if exclusion.paths:
            continue
        if not exclusion.targets:
            yield f"SecRuleRemoveById {' '.join(map(str, exclusion.rules))}"
            continue
        targets = "|".join(f"!{each}" for each in exclusion.targets)
        if not exclusion.rules:
            yield f'SecRuleUpdateTargetByTag "{_EVERY}" "{targets}"'
        for rule in exclusion.rules:
            yield f'SecRuleUpdateTargetById {rule} "{targets}"'
