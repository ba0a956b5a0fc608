"""What Spark's executors run of ours, in this process."""

from __future__ import annotations

import importlib
import sys
import zipfile
from pathlib import Path
from zipimport import zipimporter

import pytest
from tests.engines import functions as fn

from potable.engines.spark_executors import unfit
from potable.engines.spark_tasks import EachBatch


def test_the_next_task_does_not_read_archives_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark has all caches of imports emptied before each task, and lies in large archives itself."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("lies_in_an_archive.py", "A = 1\n")
        archive.writestr("lies_there_too.py", "B = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code.zip"))
    read: list[str] = []
    monkeypatch.setattr(zipimporter, "invalidate_caches", lambda self: read.append(self.archive))
    assert importlib.import_module("lies_in_an_archive").A == 1
    importlib.invalidate_caches()
    assert read, "that is what Spark does"
    read.clear()
    (made,) = EachBatch(fn.squared, fn.NUMBERS, fn.SQUARES)([fn.numbers(3)])
    assert made.column("square").to_pylist() == [9]
    importlib.invalidate_caches()
    assert read == []
    assert importlib.import_module("lies_there_too").B == 2
    for name in ("lies_in_an_archive", "lies_there_too"):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12", "another version of Python"),
        ("ModuleNotFoundError: No module named 'pyarrow'", "has no module `pyarrow`"),
        ('Caused by: java.io.IOException: Cannot run program "/no/python": error=2', "cannot start its Python"),
    ],
)
def test_an_executor_whose_python_does_not_fit_is_told(text: str, told: str) -> None:
    failure = unfit(f"org.apache.spark.SparkException: {text}\n  a value")
    assert failure and failure.code == "E007" and told in failure.text() and "a value" not in failure.text()
    assert unfit("java.io.IOException: Mkdirs failed") is None
