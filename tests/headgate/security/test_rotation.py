"""How an authority is renewed: nobody ever meets a certificate that they do not trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from headgate.security.authority import AUTHORITY_LIFETIME, make_authority
from headgate.security.rotation import HANDED_OUT, Authorities

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DUE = NOW + AUTHORITY_LIFETIME * 0.7


def test_nothing_happens_before_it_is_due() -> None:
    """A young authority stays as it is."""
    authorities = Authorities.new(NOW)
    assert authorities.at(NOW + timedelta(days=365)) is authorities


def test_a_new_authority_is_trusted_before_it_signs() -> None:
    """When it is due the next one is handed out beside the current one, and signs only once everybody has it."""
    old = Authorities.new(NOW)
    both = old.at(DUE)
    assert both.current == old.current
    assert both.next is not None
    assert both.next.certificate.decode() in both.trusted
    assert both.at(DUE + HANDED_OUT / 2) is both
    promoted = both.at(DUE + HANDED_OUT)
    assert promoted.current == both.next
    assert promoted.next is None


def test_the_old_authority_is_trusted_until_it_ends() -> None:
    """What the previous authority signed stays good for as long as that lives, and no longer."""
    old = Authorities.new(NOW)
    promoted = old.at(DUE).at(DUE + HANDED_OUT)
    assert old.current.certificate.decode() in promoted.trusted
    after = promoted.at(NOW + AUTHORITY_LIFETIME)
    assert old.current.certificate.decode() not in after.trusted
    assert after.current == promoted.current


def test_an_authority_that_ended_meanwhile_is_replaced() -> None:
    """Where nobody ran for years a new one signs at once: what the old one signed is good no more anyway."""
    old = Authorities.new(NOW)
    later = NOW + AUTHORITY_LIFETIME
    after = old.at(later)
    assert old.current.certificate.decode() not in after.trusted
    assert not after.current.due(later)
    assert after.at(later) is after


def test_one_that_was_handed_out_takes_its_place() -> None:
    """If the next one had been made before, and lives, it signs."""
    both = Authorities.new(NOW).at(DUE)
    assert both.at(NOW + AUTHORITY_LIFETIME).current == both.next


def test_what_is_written_can_be_read() -> None:
    """A Secret's data give back the authorities, at every stage."""
    stages = [Authorities.new(NOW)]
    stages.append(stages[-1].at(DUE))
    stages.append(stages[-1].at(DUE + HANDED_OUT))
    for each in stages:
        assert Authorities.read(each.data()) == each


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_a_secret_that_lacks_something_is_refused(missing: str) -> None:
    """An incomplete Secret is told by what it lacks."""
    data = Authorities.new(NOW).data()
    del data[missing]
    with pytest.raises(ValueError, match=missing):
        Authorities.read(data)


def test_a_key_of_another_certificate_is_refused() -> None:
    """A certificate and a key that do not belong together are no authority, and the key is not shown."""
    data = Authorities.new(NOW).data() | {"tls.key": make_authority(NOW).key}
    with pytest.raises(ValueError, match="does not belong") as caught:
        Authorities.read(data)
    assert "PRIVATE" not in str(caught.value)
