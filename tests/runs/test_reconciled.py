"""What is landed of a table, compared with what its source has now: by month, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs.test_layers import VARIABLES, notes_project
from tests.sources.test_onwards import World
from tests.sources.test_sql import filled
from tests.sources.web import Server

from potable import plugins
from potable.cli.app import main
from potable.engines.base import Engine
from potable.errors import ProjectError
from potable.runs.reconciled import Period, reconcile
from potable.sources.base import Source
from potable.sources.ingest import ingest


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made: Engine = plugins.load("engines", "duckdb")(memory=1 << 28, threads=1, scratch=tmp_path / "scratch")
    yield made
    made.close()


class Keyed(World):
    """With a key, and a time that a correction does not change."""

    @property
    def source(self) -> Any:
        made = super().source
        table = made.tables["t"].model_copy(update={"unique": ["id"]})
        return made.model_copy(update={"tables": {"t": table}})


@pytest.fixture
def world(tmp_path: Path) -> Keyed:
    made = Keyed(tmp_path)
    made.write([(n, f"2024-0{1 + n // 10}-{1 + n:02d} 10:00:00", "x") for n in range(1, 21)])
    made.ingest()
    return made


def compared(world: World, engine: Engine, source: Source[Any] | None = None) -> list[Period]:
    scratch = world.folder / "scratch"
    return reconcile(source or world.source, "t", world.landing, base=world.folder, engine=engine, scratch=scratch)


WHOLE = [Period("2024-01", 9, 9, 0, 0), Period("2024-02", 10, 10, 0, 0), Period("2024-03", 1, 1, 0, 0)]


def test_what_is_whole_has_no_difference(world: Keyed, engine: Engine) -> None:
    assert compared(world, engine) == WHOLE
    assert not list((world.folder / "scratch").glob("reconcile-*"))


def test_a_row_committed_after_the_overlap_is_missing_and_a_deleted_one_is_gone(world: Keyed, engine: Engine) -> None:
    world.write([(99, "2024-01-02 09:00:00", "late")])
    world.run("DELETE FROM t WHERE id IN (12, 13)")
    world.ingest()
    assert compared(world, engine) == [Period("2024-01", 10, 9, 1, 0), Period("2024-02", 8, 10, 0, 2), WHOLE[2]]
    world.ingest(fresh=True)
    assert compared(world, engine) == [Period("2024-01", 10, 10, 0, 0), Period("2024-02", 8, 8, 0, 0), WHOLE[2]]


def test_a_correction_counts_once(world: Keyed, engine: Engine) -> None:
    world.run("UPDATE t SET recorded_at = '2024-03-21 12:00:00', a = 'y' WHERE id = 20")
    world.ingest()
    assert len(world.rows()) == 21
    assert compared(world, engine) == WHOLE


def test_what_is_known_to_be_deleted_is_not_gone_again(world: Keyed, engine: Engine) -> None:
    keys = world.source.model_dump(exclude_unset=True)
    keys["tables"]["t"]["incremental"]["keys"] = {"every": "1d"}
    source = type(world.source).model_validate(keys)
    world.run("DELETE FROM t WHERE id IN (12, 13)")
    ingest(source, world.landing, base=world.folder)
    assert compared(world, engine, source) == [WHOLE[0], Period("2024-02", 8, 8, 0, 0), WHOLE[2]]


def test_nothing_landed_misses_everything(tmp_path: Path, engine: Engine) -> None:
    made = Keyed(tmp_path)
    made.write([(1, "2024-01-01 10:00:00", "x")])
    assert compared(made, engine) == [Period("2024-01", 1, 0, 1, 0)]


def test_pages_are_compared_too(tmp_path: Path, server: Server, engine: Engine) -> None:
    made, records = World(tmp_path), [{"id": n, "at": f"2024-0{n}-01"} for n in (1, 2, 3)]
    server.handle = lambda path, query: (200, {}, json.dumps({"data": records}).encode())
    columns = {"id": {}, "at": {"type": "date"}}
    table = {"endpoint": "/t", "pagination": "none", "columns": columns, "unique": ["id"], "time": "at"}
    keys = {"source": "s", "type": "rest", "url": server.url, "tables": {"t": table}}
    source = plugins.load("sources", "rest").model_validate(keys)
    ingest(source, made.landing, base=tmp_path)
    records[1:] = [{"id": 4, "at": "2024-04-01"}]
    found = [(item.month, item.missing, item.gone) for item in compared(made, engine, source)]
    assert found == [("2024-01", 0, 0), ("2024-02", 0, 1), ("2024-03", 0, 1), ("2024-04", 1, 0)]


def test_moments_with_a_zone_count_in_their_month_of_utc(postgres: str, tmp_path: Path, engine: Engine) -> None:
    rows = "(1, timestamptz '2024-02-01 00:30+02'), (2, timestamptz '2024-02-01 03:00+02'), (3, NULL)"
    filled(postgres, f"DROP TABLE IF EXISTS t; CREATE TABLE t (id int, at timestamptz); INSERT INTO t VALUES {rows}")
    made = World(tmp_path)
    table = {"columns": {"id": {"type": "integer"}, "at": {"type": "timestamp"}}, "unique": ["id"], "time": "at"}
    keys = {"source": "s", "type": "sql", "url": postgres, "tables": {"t": table}}
    source = plugins.load("sources", "sql").model_validate(keys)
    ingest(source, made.landing, base=tmp_path)
    filled(postgres, "DELETE FROM t WHERE id = 2")
    expected = [Period("", 1, 1, 0, 0), Period("2024-01", 1, 1, 0, 0), Period("2024-02", 0, 1, 0, 1)]
    assert compared(made, engine, source) == expected


def test_a_table_without_a_key_is_refused(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(ProjectError, match="no key") as caught:
        compared(World(tmp_path), engine)
    assert caught.value.code == "P004"


def test_the_command_lists_the_months_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    notes_project(root)
    (root / "notes").mkdir()
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    dump = "emp_no,day,seen,amount,level\nE1,2020-01-31,,1,0\nE2,2020-02-28,,1,0\n"
    (root / "notes" / "n.csv").write_text(dump, encoding="utf-8")

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(["-C", str(root), *arguments])
            raise SystemExit(0)
        return int(stop.value.code or 0), capsys.readouterr().out

    assert call("run", "--only", "ingest", "--select", "notes")[0] == 0
    code, text = call("source", "reconcile", "notes.notes")
    assert code == 0 and "2 records of `notes.notes` in 2 months: all of them are landed" in text
    (root / "notes" / "n.csv").write_text(dump.replace("E2", "E3"), encoding="utf-8")
    code, text = call("source", "reconcile", "notes.notes", "-o", "json")
    assert code == 1
    assert [(item["month"], item["missing"], item["gone"]) for item in json.loads(text)["months"]] == [
        ("2020-01", 0, 0),
        ("2020-02", 1, 1),
    ]
    code, text = call("source", "reconcile", "notes.notes")
    assert "2020-02" in text and "2020-01" not in text and "E3" not in text
    called = f"potable -C {root} run"
    assert text.endswith(f"the last run; `{called} --full-refresh` lands everything else\n")
    (root / "features.yaml").unlink()
    assert f"`{called} --only ingest --full-refresh`" in call("source", "reconcile", "notes.notes")[1]
