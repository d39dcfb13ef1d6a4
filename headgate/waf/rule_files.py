"""The OWASP Core Rule Set: where its files are, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.process.errors import UserError

FOLDERS: Final = (Path("/usr/share/headgate/crs"), Path("/usr/share/modsecurity-crs"))
"""Where the image of Headgate has it, and Debian's package modsecurity-crs."""
SETUPS: Final = ("crs-setup.conf", "crs-setup.conf.example", "@crs-setup.conf.example")
DEBIAN_SETUP: Final = Path("/etc/modsecurity/crs/crs-setup.conf")

EQUIVALENTS: Final[Mapping[str, tuple[str, str]]] = {
    "941140": ('"@rx (?i)[a-z]+=(?:[^:=]+:.+;)*?', '"@rx (?i)[a-z]=(?:[^:=]+:.+;)*?'),
    "941170": (r"|[^-]*?-\W*?m\W*?o\W*?z\W*?-", r"|-\W*?m\W*?o\W*?z\W*?-"),
}
"""By the ids of rules, expressions whose time grows with the square of a text's length, and what matches in the same
texts: an expression is looked for everywhere in a text, so that it need not begin with what may be of any length."""

_FILE: Final = re.compile(r"(@(?:pmFromFile|pmf|ipMatchFromFile|ipMatchF) )([^\"/]+\.data)")


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The texts of the Core Rule Set, each by the name of its file.

    Attributes:
        version: the version, as its rules say it.
        setup: its defaults.
        requests: the rules of requests, in order.
        responses: the rules of responses, in order.
    """

    version: str
    setup: str
    requests: tuple[str, ...]
    responses: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path | None = None) -> RuleFiles:
        """Read the rules in a folder: of a release, of Debian's package or of Coraza's Go module.

        Raises:
            UserError: there are none.
        """
        for place in [folder] if folder else FOLDERS:
            if rules := _rules(place):
                return _read(place, rules)
        looked = folder or " or ".join(map(str, FOLDERS))
        raise UserError(
            f"There is no OWASP Core Rule Set in {looked}: unpack a release of it there, install Debian's package "
            "modsecurity-crs, or name its folder with --rules (--waf-rules of `headgate run`)."
        )


def _rules(folder: Path) -> Path | None:
    for place in (folder / "rules" / "@owasp_crs", folder / "@owasp_crs", folder / "rules", folder):
        if (place / "REQUEST-901-INITIALIZATION.conf").is_file():
            return place
    return None


def _read(folder: Path, rules: Path) -> RuleFiles:
    try:
        places = [*(each / name for each in (folder, rules, rules.parent) for name in SETUPS), DEBIAN_SETUP]
        setup = next((each for each in places if each.is_file()), None)
        if setup is None:
            raise UserError(f"The Core Rule Set in {folder} has no crs-setup.conf: add that of the same release.")
        texts = {each.name: _text(each) for each in sorted(rules.glob("RE*.conf"))}
        initial = texts["REQUEST-901-INITIALIZATION.conf"]
        version = re.search(r"OWASP_CRS/([\w.-]+)", initial)
        # What all rules need, and what rates them, is for responses, too.
        shared = [text for name, text in texts.items() if name.startswith("REQUEST-901")]
        return RuleFiles(
            version[1] if version else "unknown",
            _text(setup),
            tuple(text for name, text in texts.items() if name.startswith("REQUEST-")),
            (*shared, *(text for name, text in texts.items() if name.startswith("RESPONSE-"))),
        )
    except OSError as error:
        raise UserError(f"The Core Rule Set cannot be read: {error.filename}: {error.strerror}") from None


def _text(path: Path) -> str:
    text = "".join(_separated(path.read_text("utf-8")))
    for identifier, (slow, equivalent) in EQUIVALENTS.items():
        if f"id:{identifier}," in text:
            text = text.replace(slow, equivalent)
    return _FILE.sub(lambda found: f"{found[1]}{path.parent / found[2]}", text)


def _separated(text: str) -> Iterator[str]:
    """Yield lines, with an empty one after each directive: the parser takes two rules for one if it has no actions."""
    for line in text.splitlines():
        yield f"{line}\n"
        if not line.rstrip().endswith("\\"):
            yield "\n"
