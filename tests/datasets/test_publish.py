"""What publish tells of a version is what stands in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from potable.datasets.gates import Known
from potable.datasets.publish import Spec, publish
from potable.engines.base import Engine


def test_the_rows_told_as_emptied_are_all_that_were(engine: Engine, tmp_path: Path) -> None:
    ages = ["a"] * 2 + ["b"] * 7 + ["c"] * 6 + ["d"] * 9 + [None]
    features = {"id": [f"p{number}" for number in range(25)], "age": ages, "left": ["No"] * 25}
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
    spec = Spec("people", id_column="id", label="left", quasi=("age",), k=5, suppress=True)
    made = publish(read[0], spec, Known(read[1], read[2]), engine=engine, scratch=tmp_path / "scratch")
    assert pq.read_table(made.parquet.path)["age"].null_count == 9
    assert (made.suppressed, made.k) == (8, 7)  # c joins a, one row was empty before
