"""Directives of ModSecurity (SecLang), read strictly.

What a user may write are rules and changes of rules. Everything that reads or writes files, runs programs, looks up
names, keeps data from one request to the next or changes the engine is refused, and so is what is not written plainly:
the directives are written anew from what was read here, so that the engine cannot read them in another way.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from translator.languages.seclang_words import FLAGS, NUMERIC, OPERATORS, VALUES, VARIABLES

MOST_CHARACTERS: Final = 16 * 1024
"""The most characters of directives."""
OWN_IDS: Final = range(1, 100_000)
"""The ids of rules that users write, which the Core Rule Set leaves to them."""

CHANGES: Final = {
    "SecRuleRemoveById": (1, 64),
    "SecRuleRemoveByTag": (1, 1),
    "SecRuleRemoveByMsg": (1, 1),
    "SecRuleUpdateTargetById": (2, 2),
    "SecRuleUpdateTargetByTag": (2, 2),
    "SecRuleUpdateTargetByMsg": (2, 2),
    "SecRuleUpdateActionById": (2, 2),
}
"""Directives that change rules that are loaded already, with the fewest and the most of their arguments."""
RULES: Final = {"SecRule": (3, 3), "SecAction": (1, 1), "SecMarker": (1, 1)}

_TOKEN: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"\\]+))(?=\s|$)')
_ACTION: Final = re.compile(r"\s*([A-Za-z]+)(?::('(?:[^'\\]|\\.)*'|[^,']*))?\s*(?:,|$)")
_IDS: Final = re.compile(r"\d{1,9}(?:-\d{1,9})?\Z")
_VARIABLE: Final = re.compile(
    r"[!&]?([A-Z_]+)(?::(?:/((?:[^/\\\"]|\\[^\"])+)/|[^\s|\"'/\\][^\s|\"'\\]*|/\*))?(?:\||\Z)"
)
_MACRO: Final = re.compile(r"%\{([A-Za-z_]+)")
_TX: Final = re.compile(r"%\{\s*tx\s*[.:]\s*([^}]*?)\s*\}", re.IGNORECASE)
_SHOWN: Final = re.compile(r"tx\.(?:\w*anomaly_score|sampling_)", re.IGNORECASE)
"""Variables that messages of the Core Rule Set show."""
_SCORE: Final = re.compile(r"tx\.\w+=[+-]?%\{tx\.\w*anomaly_score\w*\}", re.IGNORECASE)
MOST_MACROS: Final = 8
"""The most macros of a value: each can be as long as a body."""


class SecLangError(ValueError):
    """Directives that are not valid, or not permitted; the text says where and why, and the way out."""


@dataclass(frozen=True, slots=True)
class Directives:
    """Directives, as they were read.

    Attributes:
        rules: rules and actions, which are run before those of the Core Rule Set.
        changes: changes of rules, which follow these.
    """

    rules: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


@dataclass(slots=True)
class _DirectiveReader:
    rules: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    chained: bool = False
    line: int = 0
    set_: set[str] = field(default_factory=set)
    """The variables that directives set, in lower case."""
    used: list[tuple[int, str]] = field(default_factory=list)
    """The variables whose values others are set to, with the lines."""

    def read(self, line: int, text: str) -> None:
        self.line = line
        name, *arguments = _tokens(text)
        allowed = {**RULES, **CHANGES}
        if name not in allowed:
            raise SecLangError(
                f"{name[:40]!r} is no directive that may be used here: write {', '.join(sorted(allowed))}"
            )
        fewest, most = allowed[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise SecLangError(f"{name} has {len(arguments)} arguments, and needs {wanted}")
        if self.chained and name != "SecRule":
            raise SecLangError(f"{name} follows a rule with `chain`: write the SecRule that belongs to it")
        getattr(self, f"_{'change' if name in CHANGES else name}")(name, arguments)
        # Numbers, which have been checked, are not written in quotes.
        quote = "" if name == "SecRuleRemoveById" else '"'
        made = " ".join([name, *(f"{quote}{each}{quote}" for each in arguments)])
        (self.changes if name in CHANGES else self.rules).append(made)

    def _SecRule(self, _: str, arguments: list[str]) -> None:
        variables, operator, actions = arguments
        _check_variables(variables)
        _check_operator(operator)
        self._actions(actions)

    def _SecAction(self, _: str, arguments: list[str]) -> None:
        self._actions(arguments[0])

    def _SecMarker(self, _: str, arguments: list[str]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", arguments[0]):
            raise SecLangError(
                f"the marker {arguments[0][:40]!r} has other characters than letters, digits, '_', '.', '-'"
            )

    def _change(self, name: str, arguments: list[str]) -> None:
        if name.endswith("ById"):
            ids = arguments if name == "SecRuleRemoveById" else arguments[:1]
            for each in ids:
                if not _IDS.match(each):
                    raise SecLangError(
                        f"{each[:40]!r} is no id of a rule: write numbers, or a range such as 942100-942199"
                    )
        if "UpdateTarget" in name:
            _check_variables(arguments[1])
        if "UpdateAction" in name:
            for action, value in _split(arguments[1]):
                _check_action(action, value)
                self._note(action, value)
                if action in {"id", "phase", "chain"}:
                    raise SecLangError(f"{name} cannot change {action!r} of a rule: remove the rule and write your own")

    def _actions(self, text: str) -> None:
        ids: list[int] = []
        chain = False
        for name, value in _split(text):
            _check_action(name, value)
            self._note(name, value)
            chain = chain or name == "chain"
            if name == "id":
                ids.append(_own_id(value))
        if self.chained and ids:
            raise SecLangError("a rule that belongs to a chain has no id of its own: remove it")
        if not self.chained and len(ids) != 1:
            raise SecLangError("a rule needs the action id, once, with a number of its own")
        if not self.ids.isdisjoint(ids):
            raise SecLangError(f"the id {ids[0]} is used twice: write another one")
        self.ids.update(ids)
        self.chained = chain

    def _note(self, action: str, value: str | None) -> None:
        if action == "setvar" and value is not None:
            name, _, given = value.partition("=")
            self.set_.add(name.lstrip("!").lower().removeprefix("tx."))
            self.used += [(self.line, each[1].lower()) for each in _TX.finditer(given)]

    def check_growth(self) -> None:
        """Check that no variable is set to what another one was set to: from one to the next they could grow."""
        for line, name in self.used:
            if name in self.set_:
                raise SecLangError(
                    f"line {line}: setvar has %{{tx.{name[:40]}}}, which directives set, too: "
                    "use the part of requests itself, like %{ARGS.name}"
                )


def read_directives(text: str) -> Directives:
    """Read directives.

    Raises:
        SecLangError: they are not valid, or not permitted; the message says which line.
    """
    if len(text) > MOST_CHARACTERS:
        raise SecLangError(
            f"has {len(text):,} characters, and {MOST_CHARACTERS:,} are the most: write fewer directives"
        )
    reader = _DirectiveReader()
    for number, line in _logical_lines(text):
        try:
            reader.read(number, line)
        except SecLangError as error:
            raise SecLangError(f"line {number}: {error}") from None
    if reader.chained:
        raise SecLangError("the last rule has `chain`, and nothing follows: write the SecRule that belongs to it")
    reader.check_growth()
    return Directives(tuple(reader.rules), tuple(reader.changes))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield directives with the number of their first line; a line that ends with a backslash goes on in the next."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if any((character < " " and character != "\t") or character == "\x7f" for character in line):
            raise SecLangError(f"line {number}: has a control character: remove it")
        stripped = line.strip()
        if not parts and (not stripped or stripped.startswith("#")):
            continue
        begun = begun if parts else number
        goes_on = stripped.endswith("\\")
        parts.append(stripped[:-1].rstrip() if goes_on else stripped)
        if not goes_on:
            yield begun, " ".join(parts)
            parts = []
    if parts:
        raise SecLangError(f"line {begun}: ends with a backslash, and nothing follows: remove it")


def _tokens(text: str) -> list[str]:
    found, at = list[str](), 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise SecLangError(
                f"cannot be read from {text[at : at + 40].strip()!r} on: write arguments in double quotes"
            )
        found.append(token[2] if token[1] is None else token[1])
        at = token.end()
    return found


def _split(text: str) -> list[tuple[str, str | None]]:
    """Return actions with their values."""
    found, at = list[tuple[str, str | None]](), 0
    while at < len(text):
        action = _ACTION.match(text, at)
        if action is None:
            raise SecLangError(f"the actions cannot be read from {text[at : at + 40].strip()!r} on")
        found.append((action[1], None if action[2] is None else action[2].strip("'")))
        at = action.end()
    if not found:
        raise SecLangError("has no actions: write at least an id")
    return found


def _own_id(value: str | None) -> int:
    if value is None or not re.fullmatch(r"\d{1,9}", value) or int(value) not in OWN_IDS:
        raise SecLangError(f"id:{value} is no id of your own: write a number from 1 to {OWN_IDS[-1]:,}")
    return int(value)


def _check_variables(text: str) -> None:
    at = 0
    while at < len(text):
        found = _VARIABLE.match(text, at)
        if found is None or found[1] not in VARIABLES:
            raise SecLangError(
                f"the variables {text[:80]!r} cannot be used here: name parts of requests, like ARGS:name"
            )
        if found[2] is not None:
            _check_expression(found[2])
        at = found.end()
    if not text or text.endswith("|"):
        raise SecLangError(f"the variables {text[:80]!r} do not end: name parts of requests, like ARGS:name")


def _check_macros(text: str) -> None:
    for found in _MACRO.finditer(text):
        if found[1].upper() not in VARIABLES | {"RULE"}:
            raise SecLangError(f"%{{{found[1]}}} cannot be used here: name parts of requests, like %{{ARGS.name}}")
    if text.count("%{") > MOST_MACROS:
        raise SecLangError(f"{text[:40]!r} has more macros than {MOST_MACROS}: write fewer")


def _check_operator(text: str) -> None:
    found = re.match(r"!?@([A-Za-z0-9]+)(?:\s+|$)", text)
    if found is None and re.match(r"!?@", text):
        raise SecLangError(f"the operator {text[:40]!r} cannot be read: write one such as @rx, and what it is to match")
    name, argument = (found[1], text[found.end() :]) if found else ("rx", text)
    if name not in OPERATORS:
        raise SecLangError(f"the operator @{name} cannot be used here: write one of {', '.join(sorted(OPERATORS))}")
    _check_macros(argument)
    if name == "rx":
        _check_expression(argument.replace(r"\"", '"'))
    if name in NUMERIC and not re.fullmatch(r"-?\d{1,9}|%\{[\w.:-]+\}", argument.strip()):
        raise SecLangError(f"@{name} compares numbers, and {argument[:40]!r} is none: write one")


def _check_expression(text: str) -> None:
    """Check that a regular expression is one: the engine takes any, and one that is none never matches.

    Python's are those of PCRE, but for rare forms.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise SecLangError(f"{text[:80]!r} is no regular expression: {error}") from None


def _check_action(name: str, value: str | None) -> None:
    if name not in FLAGS and (name not in VALUES or value is None):
        names = ", ".join(sorted({*FLAGS, *VALUES}))
        raise SecLangError(f"the action {name!r} cannot be used here, or not without a value: write one of {names}")
    if value is None:
        return
    if name not in VALUES:
        raise SecLangError(f"the action {name!r} takes no value: remove {value[:40]!r}")
    _check_macros(value)
    if name == "msg" and "%" in value:
        raise SecLangError(
            f"msg:{value[:40]!r} has a macro or a '%': write them in logdata, which `--audit-data` shows"
        )
    if name == "setvar" and not re.fullmatch(r"[^%]*(?:%\{[A-Za-z_]+(?:[.:][^%{}]+)?\}[^%]*)?", value):
        raise SecLangError(f"{name}:{value[:40]} has more than one macro, or one that cannot be read: write one")
    if name == "setvar" and _SHOWN.match(value) and "%" in value and not _SCORE.fullmatch(value):
        raise SecLangError(f"{name}:{value[:40]} has a macro, and the Core Rule Set's messages have it: write a number")
    if not VALUES[name].fullmatch(value):
        raise SecLangError(f"{name}:{value[:40]} has a value that cannot be used here: correct it")
