"""Shares of requests as Envoy's fractions."""

from __future__ import annotations

from headgate_proto.envoy.type.v3.percent_pb2 import FractionalPercent
from translator.ir.http import MILLION

_PERCENT = MILLION // 100


def write_share(fraction: FractionalPercent, millionths: int) -> None:
    """Write a share, which is given in millionths, with the smallest denominator that it needs."""
    if millionths % _PERCENT:
        fraction.denominator = FractionalPercent.MILLION
        fraction.numerator = millionths
    else:
        fraction.numerator = millionths // _PERCENT
