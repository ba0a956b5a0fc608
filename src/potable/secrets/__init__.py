"""Secrets by reference: for each store of secrets, a function from a reference's text to the secret."""

from __future__ import annotations

import json
from collections.abc import Mapping

from potable.errors import EnvironmentFailure


def of_key(values: object, key: str) -> str | None:
    """What a secret has under a key; None where it has no such key, or none at all."""
    if not isinstance(values, Mapping) or key not in values:
        return None
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value)


def refused(problem: str, hint: str, *, passing: bool) -> EnvironmentFailure:
    """A store of secrets is away or refuses; `passing` where trying again may help."""
    return EnvironmentFailure(
        problem,
        "E003",
        hint=hint,
        state="nothing ran; the last version stays current",
        next="potable check",
        retryable=passing,
    )
