"""What replicas know of proxies, put together."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.deliveries import MOST_CHARACTERS, MOST_REJECTIONS, hear, say, together
from translator.db import Rejection
from translator.outputs import Delivery

rejections = st.builds(Rejection, st.text(max_size=9), st.text(max_size=9), st.text(max_size=99))
deliveries = st.builds(
    Delivery, st.integers(1, 9), st.booleans(), st.lists(rejections, max_size=MOST_REJECTIONS).map(tuple)
)


@given(deliveries)
def test_what_is_said_is_heard(delivery: Delivery) -> None:
    """Another replica hears exactly what was said, by way of JSON."""
    assert hear(orjson.loads(orjson.dumps(say(delivery)))) == delivery


def test_gateways_without_proxies_are_not_spoken_of() -> None:
    """What has no proxies here is left to those who have some."""
    assert say(Delivery()) is None


def test_long_refusals_are_cut() -> None:
    """What is told is bounded, however much proxies refuse and however long Envoy's words are."""
    many = tuple(Rejection("type", str(number), "x" * 9999) for number in range(99))
    heard = hear(say(Delivery(1, False, many)))
    assert len(heard.rejections) == MOST_REJECTIONS
    assert {len(each.message) for each in heard.rejections} == {MOST_CHARACTERS}


@pytest.mark.parametrize("word", [None, 1, [1], ["1", True, []], {}, [1, True, [1, ["a"]]]])
def test_what_is_not_understood_is_passed_over(word: object) -> None:
    """Words of another version of Headgate do no harm."""
    assert hear(word) in (Delivery(), Delivery(1, True))


def test_a_configuration_is_current_if_it_is_everywhere() -> None:
    """Proxies are added up; one replica whose proxies lag behind makes all of it pending; who has none has no say."""
    assert together([Delivery(2, True), Delivery(1, True), Delivery()]) == Delivery(3, True)
    assert together([Delivery(2, True), Delivery(1, False)]) == Delivery(3, False)
    assert together([]) == Delivery()


def test_what_several_refuse_is_told_once() -> None:
    """The same refusal by proxies of two replicas is one."""
    refused = (Rejection("type", "name", "no"),)
    assert together([Delivery(1, True, refused), Delivery(1, True, refused)]).rejections == refused
