"""Lines of htpasswd."""

from __future__ import annotations

import base64
from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.htpasswd import LineFault, users

HASH = base64.b64encode(sha1(b"secret").digest()).decode()


def test_users_without_empty_lines_and_comments() -> None:
    """Users are lines without blanks at their ends; empty lines and comments are none."""
    lines = ["", "# staff", f"alice:{{SHA}}{HASH}\r", f"  b o b:{{SHA}}{HASH} "]
    assert [*users(lines)] == [f"alice:{{SHA}}{HASH}", f"b o b:{{SHA}}{HASH}"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("alice", "must be a name, a colon and a hash"),
        (":{SHA}x", "must be a name, a colon and a hash"),
        ("alice:", "must be a name, a colon and a hash"),
        ("alice:secret", "of another kind"),
        ("alice:$2y$05$abc", "bcrypt"),
        ("alice:$apr1$abc", "MD5 (apr1)"),
        ("alice:$6$abc", "SHA-512"),
        (f"alice:{{sha}}{HASH}", "of another kind"),
        ("alice:{SHA}", "has no Base64 of a SHA-1 hash"),
        (f"alice:{{SHA}}{HASH[:-1]}", "has no Base64 of a SHA-1 hash"),
        (f"alice:{{SHA}}{HASH}=", "has no Base64 of a SHA-1 hash"),
        (f"alice:{{SHA}}{HASH} x", "has no Base64 of a SHA-1 hash"),
        (f"ali\0ce:{{SHA}}{HASH}", "not printable"),
        (f"bob:{{SHA}}{HASH}", "has the name of line 1 again"),
    ],
)
def test_a_fault_is_at_its_line(line: str, told: str) -> None:
    """Of a line that Envoy would refuse the number is told, and what is wrong, with nothing that is in it."""
    *_, found = users([f"bob:{{SHA}}{HASH}", "", line])
    assert isinstance(found, LineFault)
    assert found.line == 3
    assert told in found.fault
    assert HASH not in found.fault
    assert "alice" not in found.fault


@given(st.lists(st.text(alphabet="ab:{}SHA=# \r$2", max_size=8) | st.just(f"x:{{SHA}}{HASH}")))
def test_users_are_what_envoy_takes(lines: list[str]) -> None:
    """A user has a name of its own, and a hash of 28 characters after the kind that Envoy knows."""
    found = [each for each in users(lines) if isinstance(each, str)]
    names = [each.partition(":")[0] for each in found]
    assert len(names) == len(set(names))
    for each in found:
        assert len(each.partition(":{SHA}")[2]) == 28
        assert not each.startswith("#")
