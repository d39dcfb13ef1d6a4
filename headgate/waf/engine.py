"""The engine: libmodsecurity with the rules of profiles."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from headgate.process.errors import UserError
from headgate.waf.inspection import Inspection, Match, Verdict
from headgate.waf.rule_files import RuleFiles
from headgate.waf.rule_text import UNREADABLE, directives
from headgate.waf.truncated import ended
from translator.languages.seclang import SecLangError
from translator.waf_profile import Profile, ProfileError

if TYPE_CHECKING:
    from libmodsecurity import RulesSet, Transaction

MOST_RULE_SETS: Final = 16
"""The most sets of rules that a process keeps, of 30 MiB each; the one that was used longest ago is dropped."""
MOST_MATCHES: Final = 100
"""The most matches that are reported of a request."""
MOST_TEXT: Final = 300
"""The most characters of what is reported of a match."""
BAD_REQUEST: Final = 400


class RulesError(ValueError):
    """Rules that libmodsecurity does not take; the text is what it says."""


def check_library() -> None:
    """Check that libmodsecurity is installed.

    Raises:
        UserError: it is not.
    """
    if find_spec("libmodsecurity") is None:
        raise UserError(
            "libmodsecurity is not installed: install Headgate with its extra `waf`, as by pip install 'headgate[waf]'."
        )


class Engine:
    """Inspects requests and responses."""

    def __init__(self, files: RuleFiles) -> None:
        from libmodsecurity import ModSecurity

        self._files = files
        self._library: Any = ModSecurity()
        # Matches are asked for; without this the library writes them to standard error.
        self._library.set_log_callback(_ignored)
        self._loaded: OrderedDict[tuple[Profile, bool], RulesSet | str] = OrderedDict()

    def inspect(self, found: Inspection, body: bytes) -> Verdict:
        """Inspect a request with its body, or a response with its."""
        try:
            profile = Profile.parse(found.profile)
        except ProfileError as error:
            return Verdict(error=str(error))
        rules = self._rules(profile, found.response is not None)
        if isinstance(rules, str):
            return Verdict(error=rules)
        begun, worked = time.perf_counter(), time.process_time()
        if found.truncated and found.response is None:
            body = ended(found.headers, body)
        status, matches = self._run(rules, found, body)
        if not status and any(each.rule in UNREADABLE for each in matches):
            status = BAD_REQUEST if profile.mode == "Enforce" else 0
        return Verdict(status, matches, time.perf_counter() - begun, cpu=time.process_time() - worked)

    def _rules(self, profile: Profile, response: bool) -> RulesSet | str:
        key = (profile.rules_key, response)
        if key not in self._loaded:
            try:
                self._loaded[key] = load(directives(self._files, profile, response))
            except (RulesError, SecLangError) as error:
                self._loaded[key] = str(error)
            if len(self._loaded) > MOST_RULE_SETS:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _run(self, rules: RulesSet, found: Inspection, body: bytes) -> tuple[int, tuple[Match, ...]]:
        from libmodsecurity import Transaction

        run = Transaction(self._library, rules)
        run.process_connection(found.client, found.port, "127.0.0.1", 80)
        # The binding takes bytes as they are, and texts as UTF-8, which those of requests need not be.
        run.process_uri(_bytes(found.uri), _bytes(found.method), _bytes(found.version))
        for name, value in found.headers:
            run.add_request_header(_bytes(name), _bytes(value))
        run.process_request_headers()
        response = found.response
        if response is None:
            status = _status(run)
            if not status:
                if body:
                    run.append_request_body(body)
                run.process_request_body()
                status = _status(run)
            return status, tuple(_matches(run))
        for name, value in response.headers:
            run.add_response_header(_bytes(name), _bytes(value))
        run.process_response_headers(response.status, f"HTTP/{found.version}")
        status = _status(run)
        if not status:
            run.append_response_body(body)
            run.process_response_body()
            status = _status(run)
        return status, tuple(_matches(run))


def load(texts: Iterator[str]) -> RulesSet:
    """Load rules.

    Raises:
        RulesError: libmodsecurity does not take them.
    """
    from libmodsecurity import RulesSet

    rules = RulesSet()
    for each in texts:
        if each and rules.load(each) < 0:
            raise RulesError(" ".join(rules.get_parser_error().split())[:1000])
    return rules


def _bytes(text: str) -> Any:
    return text.encode("latin-1", "replace")


def _ignored(_: str) -> None:
    pass


def _status(run: Transaction) -> int:
    found = run.intervention()
    if found is None or not found.disruptive:
        return 0
    return found.status if 400 <= found.status <= 599 else 403


def _matches(run: Transaction) -> Iterator[Match]:
    for each in run.get_rule_messages()[:MOST_MATCHES]:
        yield Match(each.rule_id, each.severity, _text(each, "message"), _text(each, "data"))


def _text(found: object, name: str) -> str:
    try:
        text: str = getattr(found, name)
    except UnicodeDecodeError as error:
        text = bytes(error.object).decode("latin-1")
    return text[:MOST_TEXT]
