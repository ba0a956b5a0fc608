"""Errors say what is ours and what is the machine's, and what may be done."""

from __future__ import annotations

import errno
import os

import pytest

from potable.errors import Damaged, machine_says, unexpected

NAME = "/exports/Erika Mustermann.csv"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.EMFILE])
def test_what_the_machine_refuses_is_no_bug_of_ours_and_names_nothing(number: int) -> None:
    told = unexpected(raised(OSError(number, os.strerror(number), NAME)))
    assert (told.code, told.exit_code, told.retryable) == ("E004", 3, True)
    assert os.strerror(number).lower() in told.problem and "Erika" not in told.text()


def test_too_little_memory_is_none_either() -> None:
    assert (unexpected(raised(MemoryError())).code, unexpected(raised(MemoryError())).exit_code) == ("E007", 3)


@pytest.mark.parametrize(
    "bug", [ZeroDivisionError("x"), FileNotFoundError(2, "x", NAME), OSError("No space left, Erika")]
)
def test_anything_else_is_a_bug(bug: Exception) -> None:
    told = unexpected(raised(bug))
    assert (told.code, told.exit_code) == ("X001", 70) and "Erika" not in told.text()


def test_the_machine_is_understood_in_what_engines_say() -> None:
    assert machine_says(ValueError('Could not write "/x": No space left on device')) == "no space left on device"
    assert machine_says(ValueError("anything")) == ""


def raised(failure: Exception) -> Exception:
    try:
        raise failure
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("path", "removed"),
    [
        ("validated/crm.customers/06/0d/rows/part-0.parquet", "validated/crm.customers/06"),
        ("quarantine/crm.customers/06/0d/cells/part-0.parquet", "validated/crm.customers/06"),
        ("datasets/churn/7c/manifest.json", "datasets/churn/7c"),
        ("vault/identifiers/61/manifest.json", "vault/identifiers/61"),
        # what nothing can make again
        ("vault/subjects/f4/manifest.json", ""),
        ("ledger/00000001.json", ""),
        ("datasets/churn/log/00000001.json", ""),
        ("raw/crm/batches/00000001.json", ""),
    ],
)
def test_only_what_is_made_again_is_advised_to_be_removed(path: str, removed: str) -> None:
    told = Damaged(path)
    assert (
        (f"remove the folder `{removed}`" in told.hint) if removed else told.hint.startswith("restore it from a copy")
    )
