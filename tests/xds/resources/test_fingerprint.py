"""Fingerprints of configurations."""

from __future__ import annotations

from xds.resources.fingerprint import Fingerprints


def made(key: bytes) -> Fingerprints:
    """Return fingerprints with a key."""
    found = Fingerprints()
    found.use_key(key)
    return found


def test_a_key_makes_other_fingerprints() -> None:
    """Content has one fingerprint under a key, and another under each other key and without one."""
    keys = (b"", b"a", b"b", bytes(100))
    assert len({made(key).of(b"content") for key in keys}) == len(keys)
    for key in keys:
        assert made(key).of(b"content") == made(key).of(b"content")
        assert made(key).of(b"content") != made(key).of(b"Content")
    assert made(b"").of(b"content") == Fingerprints().of(b"content")
