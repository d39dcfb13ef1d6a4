"""Paths are normalised as a real Envoy was seen to do it (1.40)."""

from __future__ import annotations

import pytest

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager as Manager,
)
from translator.explain.paths import NormalisedPath, normalise

OURS = Manager(merge_slashes=True, path_with_escaped_slashes_action=Manager.UNESCAPE_AND_REDIRECT)
OURS.normalize_path.value = True


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/../b", "/b"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/../..", "/"),
        ("/a//b", "/a/b"),
        ("///", "//"),
        ("/.//", "//"),
        ("/b/c//..", "/b/c/"),
        ("/b//../c", "/b/c"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a\\..\\b", "/b"),
        ("/a/...", "/a/..."),
        ("/a;x/..;y", "/"),
        ("/b/.;y/c", "/b/c"),
        ("/b/%2e;q/c", "/b/.;q/c"),
        ("/b/..%3bq/c", "/b/..%3bq/c"),
        ("/%41%7e%2d%20%zz%", "/A~-%20%zz%"),
        ('/a"<>^`{|}b', "/a%22%3C%3E%5E%60%7B%7C%7Db"),
        ("/a%252fb", "/a%252fb"),
        ("/a?x=../..//y%2f", "/a?x=../..//y%2f"),
        ("/a/.?x", "/a/?x"),
        ("/a?", "/a?"),
    ],
)
def test_a_path_has_one_form(path: str, expected: str) -> None:
    """Dot segments, doubled slashes and needless escapes go; the query stays."""
    assert normalise(path, OURS) == NormalisedPath(expected)


@pytest.mark.parametrize(("path", "expected"), [("/a%2fb", "/a/b"), ("/a%5C..%5Cb?c", "/b?c"), ("/%2e%2e%2fa", "/a")])
def test_an_escaped_slash_is_redirected(path: str, expected: str) -> None:
    """A client that escapes slashes or backslashes is told the path without."""
    assert normalise(path, OURS) == NormalisedPath(expected, redirect=True)


@pytest.mark.parametrize("path", ["/a%00", "/a#b", "a", "", "/é", "/a\x7f"])
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    """Envoy answers 400."""
    assert normalise(path, OURS).error


def test_a_manager_may_leave_paths_alone() -> None:
    """Without the settings a path stays as it is, and escaped slashes can be refused or forwarded."""
    assert normalise("/a/../b//c%2f", Manager()) == NormalisedPath("/a/../b//c%2f")
    assert normalise("/a%2f", Manager(path_with_escaped_slashes_action=Manager.REJECT_REQUEST)).error
    forwarding = Manager(path_with_escaped_slashes_action=Manager.UNESCAPE_AND_FORWARD)
    assert normalise("/a%2f", forwarding) == NormalisedPath("/a/")
