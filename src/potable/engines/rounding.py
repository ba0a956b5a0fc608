"""Rounding as people do it on paper: a half that is written as one goes up, however a float holds it.

1287.215 is a float a little below that, and times 100 a little below 128721.5. Both errors are of the float's last
bits, and no number with few decimals lies so close to a half, so that much is added before the floor is taken.

Entry: `halves_up`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

_RELATIVE, _MOST = 2.0**-50, 2.0**-21


def halves_up(value: ir.NumericValue) -> ir.FloatingValue:
    """The nearest whole number, halves up, as a float; for numbers of up to 2^53."""
    import ibis

    relative, most, half = (ibis.literal(each, type="float64") for each in (_RELATIVE, _MOST, 0.5))
    near = ibis.least(value.abs() * relative, most)
    # added on its own, for beside the half it would be lost
    return (value + near + half).floor().cast("float64")
