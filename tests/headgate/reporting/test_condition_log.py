"""Log lines about files and objects: one for each change, as text for people and as fields for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from headgate.observability.logging import LogFormat, LogLevel, configure
from headgate.reporting.condition_log import MAX_LINES, log_changes, log_diagnostics
from headgate.reporting.conditions import ConditionChange
from tests.watchers.files.written import HTTP_ROUTE, config_map, documents
from translator.refs import Ref
from watchers.files.contents import read
from watchers.files.store import FileStore, FileStoreChange

SHOP = Ref("HTTPRoute", "default", "shop")
UNKNOWN = HTTP_ROUTE.replace("hostnames:", "hostname:")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore the configuration of logging."""
    import logging

    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def changes(*texts: str) -> Iterator[FileStoreChange]:
    """Yield the changes of a folder of one file, for each of its versions."""
    folder = FileStore()
    for text in texts:
        yield folder.apply({"a.yaml": read(text.encode(), "a.yaml")})


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines of the log since the last call."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_lines_have_the_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A line about an object has kind, namespace, name and place as separate fields."""
    configure(LogFormat.JSON, LogLevel.INFO)
    log_diagnostics(next(changes(UNKNOWN)))
    (line,) = lines(capsys)
    about = {"kind": "HTTPRoute", "namespace": "default", "name": "shop", "file": "a.yaml", "line": 8}
    assert line.items() >= about.items()
    log_changes(
        [ConditionChange(SHOP, "HTTPRoute default/shop is not accepted", False, "NoMatchingParent")],
        lambda _: "a.yaml:1",
    )
    (line,) = lines(capsys)
    assert line.items() >= {"kind": "HTTPRoute", "name": "shop", "reason": "NoMatchingParent"}.items()


def test_text_lines_have_everything_in_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal, the text contains all of it."""
    configure(LogFormat.CONSOLE, LogLevel.INFO)
    log_diagnostics(next(changes(UNKNOWN)))
    text = capsys.readouterr().err
    assert "a.yaml:8: warning: HTTPRoute default/shop: spec.hostname" in text
    assert "kind=" not in text


def test_resolved_diagnostics_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A corrected field has a log line, although another one is still wrong."""
    configure(LogFormat.JSON, LogLevel.INFO)
    two = UNKNOWN.replace("rules:", "nothing: 1\n  rules:")
    first, second, third = changes(two, UNKNOWN, HTTP_ROUTE)
    log_diagnostics(first)
    assert [each["level"] for each in lines(capsys)] == ["warning", "warning"]
    log_diagnostics(second)
    (line,) = lines(capsys)
    assert line["message"].startswith("a.yaml: resolved: HTTPRoute default/shop: spec.nothing")
    log_diagnostics(third)
    (line,) = lines(capsys)
    assert line["message"].startswith("a.yaml: resolved: HTTPRoute default/shop: spec.hostname")


def test_moved_diagnostics_are_not_logged_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A line added above a mistake logs nothing."""
    configure(LogFormat.JSON, LogLevel.INFO)
    _, second = changes(UNKNOWN, "# a comment\n" + UNKNOWN)
    assert second.appeared
    log_diagnostics(second)
    assert lines(capsys) == []


def test_log_lines_of_many_changes_are_bounded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of many diagnostics, appeared or resolved, some are logged and the others counted."""
    configure(LogFormat.JSON, LogLevel.INFO)
    good = documents(*(config_map(f"x{number}") for number in range(MAX_LINES + 5)))
    for change in changes(good.replace("v1", "v2"), good):
        log_diagnostics(change)
        told = lines(capsys)
        assert len(told) == MAX_LINES + 1
        assert told[-1]["message"].startswith("And 5 more")
