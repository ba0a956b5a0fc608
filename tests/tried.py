"""Properties of functions, tried by some examples in `make test` and by ten times as many in `make test-long`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import given, settings

FEW_OR_MANY = [pytest.param(1, id="few"), pytest.param(10, id="many", marks=pytest.mark.long)]


def tried(examples: int, *strategies: Any) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """As `given(*strategies)`, by so many examples."""

    def decorated(holds: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("times", FEW_OR_MANY)
        @wraps(holds, updated=())
        def test(times: int) -> None:
            settings(max_examples=times * examples, deadline=None)(given(*strategies)(holds))()

        # where pytest would look for arguments
        del test.__wrapped__  # type: ignore[attr-defined]
        return test

    return decorated
