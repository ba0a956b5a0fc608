"""Names of objects as anybody may read them: what the project declares of them, and shapes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from potable.errors import EnvironmentFailure
from potable.sources.blobs import Blob
from potable.sources.csv import CsvSource
from potable.sources.files import unreadable
from potable.sources.ingest import Landing, ingest
from potable.sources.kafka import KafkaSource
from potable.sources.landed import Arrival, Held
from potable.sources.names import LONGEST, Naming, told_column
from potable.sources.rest import RestSource
from potable.sources.sql import SqlSource
from potable.store.log import Log
from potable.store.objects import Store


def source(path: str = "in", columns: dict[str, Any] | None = None, **table: Any) -> CsvSource:
    tables = {"slips": {"columns": columns or {"a": {}}, **table}}
    return CsvSource.model_validate({"source": "payroll", "type": "csv", "path": path, "tables": tables})


@pytest.mark.parametrize(
    ("path", "name", "told"),
    [
        ("in", "E0012345.csv", "A9999999.csv"),
        ("in", "priya.shah@example.com.csv", "aaaaa.aaaa@aaaaaaa.aaa.csv"),
        ("in", "2020/Müller_Özil.csv.gz", "9999/Aaaaaa_Aaaa.csv.gz"),
        ("in", "payroll_2024-01.csv", "payroll_9999-99.csv"),
        ("in", "slips.zip/csv/Json.json", "slips.zip/aaa/Aaaa.json"),
        ("in/*/report_*.csv", "Ann/report_4711.csv", "Aaa/report_9999.csv"),
        ("in/[a-z]*_2024.csv", "ann_2024.csv", "aaa_9999.csv"),
        ("s3://bucket/staff/review*.csv", "review-staff.csv", "review-aaaaa.csv"),
        ("https://host/Export.csv?user=ann", "Export.csv", "Export.csv"),
        ("https://host/get?user=ann", "ann.csv", "aaa.csv"),
        ("/home/ann", "ann.csv", "aaa.csv"),
        ("in", "李雷.csv", "aa.csv"),
        ("in", "e\u0301 🙂.csv", "a? ?.csv"),
        ("in", "", ""),
    ],
)
def test_what_is_declared_stays_and_the_rest_is_a_shape(path: str, name: str, told: str) -> None:
    assert source(path).naming.told(name) == told


def test_globs_of_tables_are_declared_too() -> None:
    made = source(files=["Exits/*.csv", "Leavers_*.csv"], members="May/*")
    told = [made.naming.told(name) for name in ("Exits/Ann.csv", "Leavers_7.csv", "x.zip/May/May1.csv")]
    assert told == ["Exits/Aaa.csv", "Leavers_9.csv", "a.zip/May/May9.csv"]


def test_what_a_harmless_column_takes_from_the_name_may_be_told() -> None:
    month = {"path": "@object", "extract": "_([0-9]{4}-[0-9]{2})[.]csv", "category": "none"}
    assert source(columns={"m": month}).naming.told("Ann_2024-01.csv") == "Aaa_2024-01.csv"
    assert source(columns={"m": {**month, "category": "user.name"}}).naming.told("Ann_2024-01.csv") == "Aaa_9999-99.csv"
    del month["category"]
    assert source(columns={"m": month}).naming.told("Ann_2024-01.csv") == "Aaa_9999-99.csv"
    whole = {"f": {"path": "@object", "category": "none"}}
    assert source(columns=whole).naming.told("Ann/2024.csv") == "Ann/2024.csv"
    # patterns are read by RE2, which knows more classes
    assert source(columns={"m": {**month, "extract": r"(\pN+)", "category": "none"}}).naming.told("7") in ("7", "9")


@given(st.text(max_size=200))
@example("slips/csv.csv.Payroll-7")
def test_nothing_else_of_a_name_is_told(name: str) -> None:
    told = source().naming.told(name)
    assert len(told) <= LONGEST
    assert set(re.findall(r"[^\W\d_]+", told, re.ASCII)) <= {"payroll", "slips", "csv"} | {
        run for run in re.findall(r"[^\W\d_]+", told) if set(run) <= {"A", "a"} or f".{run}" in name
    }
    assert set(re.findall(r"\d", told)) <= {"9"}
    assert source().naming.told(told) == told


def test_names_that_a_connector_makes_up_are_told_as_they_are() -> None:
    for kind in (SqlSource, RestSource, KafkaSource):
        assert kind.names_objects
    assert Naming(own=True).told("people-000001.json") == "people-000001.json"
    assert Naming().told("people-000001.json") == "aaaaaa-999999.json"


def landing(folder: Path) -> Landing:
    store = Store(str(folder / "lake"))
    return Landing(store, Log(store, "raw/payroll/batches"))


@pytest.mark.parametrize("code", ["E001", "E002"])
def test_a_file_that_cannot_be_landed_is_told_by_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Priya.csv").write_text("a\n1\n")

    def opened(path: Path, mode: str = "") -> None:
        raise FileNotFoundError if code == "E002" else PermissionError

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(EnvironmentFailure) as caught:
        ingest(source(), landing(tmp_path), base=tmp_path)
    assert caught.value.code == code and "`Aaaaa.csv` cannot be read" in caught.value.problem
    assert "Priya" not in caught.value.text() + str(caught.value.record())


class Offer(CsvSource):
    """A source that offers what it is told to."""

    def arrivals(self, base: Path, state: Any = None) -> Iterator[Arrival]:
        contents = iter([b"1" * (2 << 20), b"2" * (2 << 20)])
        if self.description == "changing":
            yield Arrival("Priya.csv", ("slips",), lambda: io.BytesIO(next(contents)))
        else:
            yield from [Arrival("Priya.csv", ("slips",), Held(b"a\n"))] * 2


@pytest.mark.parametrize(("what", "said"), [("changing", "changed while"), ("twice", "twice")])
def test_what_a_connector_does_wrong_is_told_by_the_shape_of_the_name(tmp_path: Path, what: str, said: str) -> None:
    made = Offer.model_validate({**source().model_dump(exclude_unset=True), "description": what})
    with pytest.raises(EnvironmentFailure, match=f"`Aaaaa.csv`.* ?{said}"):
        ingest(made, landing(tmp_path), base=tmp_path)


def test_a_column_nobody_declared_may_be_called_after_a_person() -> None:
    names = {
        "Umsatz 2024": "Umsatz 2024",
        "bonus_2024": "bonus_2024",
        "Cost Center": "Cost Center",
        "costCenter": "costCenter",
        "Erika Mustermann": "Aaaaa Aaaaaaaaaa",
        "erika_mustermann": "aaaaa_aaaaaaaaaa",
        "Mustermann.salary_2024": "Aaaaaaaaaa.salary_9999",
        "Price": "Aaaaa",
        "Unit Price": "Unit Price",
        "Unit Price (Mark)": "Unit Price (Mark)",
        "2024-01": "9999-99",
        "K000123D": "A999999A",
        "salary 000123": "salary 999999",
        "limits.ann@x.example": "aaaaaa.aaa@a.aaaaaaa",
        "note": "note",
    }
    assert {name: told_column(name) for name in names} == names


def test_words_the_source_declares_stay_in_new_columns() -> None:
    made = source(columns={"zulage": {"path": "ZulageMustermann"}})
    assert told_column("zulage_alt", made.headings) == "zulage_aaa"
    assert told_column("mustermann", made.headings) == "mustermann"


def test_an_object_that_cannot_be_read_says_how_to_be_rid_of_it_and_which_it_is() -> None:
    path = "raw/obs/objects/80/8071.zst"
    first, later = (unreadable(Blob("obs_900.xml", "", path, True, 9, batch), "torn").hint for batch in (1, 12))
    assert "under the same name" in first and "rewind" not in first
    assert "`potable state rewind obs --to 11`" in later and "raw/obs/batches/00000012.json" in later
    own = Blob("page-1.json", "", path, True, 9, 2, naming=Naming(own=True))
    assert "full name" not in unreadable(own, "torn").hint
    assert "rewind" not in unreadable(Blob("x.csv", "", "exports/x.csv", False, 9, 2), "torn").hint
