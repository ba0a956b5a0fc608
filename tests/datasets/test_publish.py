"""What publish tells of a version is what stands in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.datasets.gates import Known
from potable.datasets.publish import Published, Spec, publish
from potable.engines.base import Engine
from potable.errors import DataError, PrivacyRefusal


def published(engine: Engine, tmp_path: Path, k: int, labels: list[str | None] | None = None) -> Published:
    """25 people of four ages, one of them unknown, at least `k` of each."""
    ages = ["a"] * 2 + ["b"] * 7 + ["c"] * 6 + ["d"] * 9 + [None]
    features = {"id": [f"p{number}" for number in range(25)], "age": ages, "left": labels or ["No"] * 25}
    nobody = {
        "subject": pa.array([], pa.string()),
        "kind": pa.array([], pa.string()),
        "value": pa.array([], pa.string()),
    }
    names = {"subject": pa.array([], pa.string()), "pseudonym": pa.array([], pa.string())}
    read = []
    for index, columns in enumerate((features, nobody, names)):
        table, file = pa.table(columns), str(tmp_path / f"{index}.parquet")
        pq.write_table(table, file)
        read.append(engine.read([file], table.schema))
    spec = Spec("people", id_column="id", label="left", quasi=("age",), k=k, suppress=True, least=5)
    return publish(read[0], spec, Known(read[1], read[2]), engine=engine, scratch=tmp_path / "scratch")


def test_the_rows_told_as_emptied_are_all_that_were(engine: Engine, tmp_path: Path) -> None:
    made = published(engine, tmp_path, k=5)
    assert pq.read_table(made.parquet.path)["age"].null_count == 9
    assert (made.suppressed, made.k) == (8, 7)  # c joins a, one row was empty before


@pytest.mark.long_on_spark
def test_a_dataset_smaller_than_k_is_not_told_to_suppress_what_it_did(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(PrivacyRefusal, match="only k = 25") as caught:
        published(engine, tmp_path, k=26)
    assert "fewer rows than `k`" in caught.value.hint and "below: suppress" not in caught.value.hint


@pytest.mark.long_on_spark
def test_a_label_that_is_null_somewhere_is_told_with_what_to_do(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="D005") as caught:
        published(engine, tmp_path, k=5, labels=["No"] * 22 + [None] * 3)
    assert "3 without label" in caught.value.given and "`left` is null there: give it an `else`" in caught.value.hint


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["No"] * 22 + ["Yes"] * 3, {"No": 22, "Yes": 3}),
        (["No"] * 20 + ["Yes"] * 3 + ["Died"] * 2, {"No": 20, "each in fewer than 5 rows": 5}),
        ([f"{row}.5" for row in range(25)], {"each in fewer than 5 rows": 25}),
    ],
)
@pytest.mark.long_on_spark
def test_labels_that_few_have_are_told_together(
    engine: Engine, tmp_path: Path, labels: list[str | None], told: dict[str, int]
) -> None:
    assert published(engine, tmp_path, k=5, labels=labels).balance == told
