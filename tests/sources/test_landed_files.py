"""The same rows in every kind of file come out of the raw zone alike, also from an archive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from tests.sources.objects import landed_rows, raw_zone
from tests.sources.test_parquet import saved

from potable.plugins import load
from potable.sources.ingest import ingest


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in [("id", "name"), (1, "Zoë"), (2, None)]:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "csv": ("id;name\n1;Zoë\n2;\n".encode("cp1252"), {}),
    "fixed": ("1Zoë2   ".encode("cp037"), {"widths": {"id": 1, "name": 3}, "newlines": False, "encoding": "cp037"}),
    "json": ('{"rows":[{"id":1,"name":"Zoë"},{"id":2}]}'.encode(), {"records": "rows"}),
    "xlsx": (workbook(), {}),
    "parquet": (saved({"id": [1, 2], "name": ["Zoë", None]}), {}),
}


@pytest.mark.parametrize("packed", [False, True], ids=["file", "archive"])
@pytest.mark.parametrize("kind", FILES)
def test_rows_land_alike_from_every_kind_of_file(tmp_path: Path, kind: str, packed: bool) -> None:
    data, keys = FILES[kind]
    folder = tmp_path / "exports"
    folder.mkdir()
    if packed:
        with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"one.{kind}", data)
    else:
        (folder / f"one.{kind}").write_bytes(data)
    table = {"columns": {"id": {"type": "integer", "required": True}, "name": {}}, **keys}
    made = load("sources", kind).model_validate(
        {"source": "s", "type": kind, "path": str(folder), "tables": {"t": table}}
    )
    landing = raw_zone(tmp_path / "lake")
    assert ingest(made, landing, base=tmp_path).new_objects == 1
    rows = [(row["_row"], row["id"], row["name"], row["_unparsed"]) for row in landed_rows(made, landing, "t")]
    assert rows == [(1, 1, "Zoë", None), (2, 2, None, None)]
    assert ingest(made, landing, base=tmp_path).new_objects == 0
