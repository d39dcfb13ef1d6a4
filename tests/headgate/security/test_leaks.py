"""What finds the texts of Secrets in dumps."""

from __future__ import annotations

import base64

from tests.live.credentials import TOKEN, line, secret
from tests.live.leaks import secret_texts, told


def test_texts_are_found_however_they_are_written() -> None:
    """A text is found as it is, in Base64, with escapes and in hexadecimal; each line counts by itself."""
    odd = 'odd "text"\twith\\escapes'
    found = [*secret_texts(secret("a", {"token": TOKEN, ".htpasswd": line("alice"), "lines": f"short\n{odd}"}))]
    assert found == [TOKEN, line("alice").partition("{SHA}")[2], odd]
    for shown in (TOKEN, base64.b64encode(TOKEN.encode()).decode(), TOKEN.encode().hex()):
        assert told(found, {"here": f"x {shown} y", "there": "nothing"}) == [f"here tells {TOKEN[:3]}…"]
    assert told(found, {"here": r'"odd \"text\"\twith\\escapes"'}) == ["here tells odd…"]


def test_what_everybody_may_know_is_no_secret() -> None:
    """Certificates are no secret, nor are texts of other objects, or words that are too short to be told apart."""
    assert [*secret_texts(secret("a", {"tls.crt": "certificate", "x": "short"}))] == []
    assert [*secret_texts({"kind": "ConfigMap", "data": {"a": "long-enough-text"}})] == []
