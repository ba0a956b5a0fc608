"""Files named after people: nothing that everybody may read names them, and the restricted root does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs.test_layers import COLUMNS, VARIABLES, notes_project, text
from tests.runs.test_quarantined import command

NAMES = ("Priya.Shah-4711", "Ottilie_Brandt")
GOOD = ("E1", "2020-01-31", "2020-02-01 10:00:00", "1", "0")
WIDE = ("E2", "2020-01-31", "", "2.5", "0", "Bangalore-7")


def clear(*parts: str) -> str:
    """What was said, when it names nobody; the name of a run may hold 4711 by itself."""
    said = "".join(parts)
    assert not [word for word in ("Priya", "Shah", "-4711", "Ottilie", "Brandt") if word in said]
    return said


def everything(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a CSV per person, in which columns drift."""
    root = tmp_path / "project"
    notes_project(root)
    (root / "notes").mkdir()
    (root / "notes" / f"{NAMES[0]}.csv").write_text(text(GOOD))
    (root / "notes" / f"{NAMES[1]}.csv").write_text(text(WIDE, columns=[*COLUMNS, "city"]))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return root


def both(root: Path) -> list[int]:
    return [command(root, "run", "--only", verb, "--select", "notes") for verb in ("ingest", "validate")]


def opened(root: Path) -> str:
    """All that is open after a run: records, reports, the audit log."""
    command(root, "report")
    return clear(everything(root / "lake/open"), *(path.read_text() for path in root.rglob("*.html")))


def test_records_reports_and_what_is_said_tell_the_shape(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert both(root) == [0, 0]
    assert "Aaaaaaa_Aaaaaa.csv" in opened(root)
    assert NAMES[1] in everything(root / "lake/restricted/raw")
    for arguments in (["source", "preview", "notes"], ["quarantine", "show", "notes.notes"]):
        for form in ([], ["-o", "json"]):
            assert command(root, *arguments, *form) == 0
    said = clear(*capfd.readouterr())
    assert "Aaaaaaa_Aaaaaa.csv, record 1" in said and "Aaaaaaa_Aaaaaa.csv" in said
    target = root / "mine.ndjson"
    assert command(root, "quarantine", "export", "notes.notes", "--to", str(target), "--why", "test") == 0
    assert NAMES[1] in target.read_text()


def test_a_change_that_stops_the_run_is_told_by_the_shape(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = root / "sources" / "notes.yaml"
    for policy in ("new_column: fail", "widened: fail"):
        path.write_text(path.read_text().replace("missing_column: warn", f"missing_column: warn, {policy}"))
        assert both(root) == [0, 1]
        assert "first seen in Aaaaaaa_Aaaaaa.csv" in opened(root)
        path.write_text(path.read_text().replace(f", {policy}", ""))
    assert "first seen in Aaaaaaa_Aaaaaa.csv" in clear(*capfd.readouterr())


def test_columns_called_after_people_are_told_by_the_shape(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    new = ["Priya Shah", "brandt", "ottilie_brandt.pay", "Cost Center", "bonus_2024"]
    (root / "notes" / "new.csv").write_text(text((*GOOD, "1", "2", "3", "4", "5"), columns=[*COLUMNS, *new]))
    assert both(root) == [0, 0]
    told = ["Aaaaa Aaaa", "aaaaaa", "aaaaaaa_aaaaaa.pay", "Cost Center", "bonus_2024"]
    assert all(f'"{name}"' in opened(root) for name in told)
    assert command(root, "source", "preview", "notes") == 0
    said = capfd.readouterr()
    assert (
        all(name in said.out for name in told)
        and f"for the full names: `potable -C {root} source discover notes`" in said.out
    )
    path = root / "sources" / "notes.yaml"
    path.write_text(path.read_text().replace("missing_column: warn", "missing_column: warn, new_column: fail"))
    assert both(root) == [0, 1]
    assert "`Aaaaa Aaaa`" in clear(*said, *capfd.readouterr(), opened(root))
    # whoever may read the restricted root finds the names there, and the source is asked for them
    assert "Priya Shah" in everything(root / "lake/restricted/validated")
    assert command(root, "source", "discover", "notes") == 0 and "Priya Shah" in capfd.readouterr().out


def test_a_file_that_cannot_be_parsed_is_told_by_the_shape(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "notes" / f"{NAMES[0]}.csv").write_bytes(b"\x1f\x8b" + b"x" * 100)
    assert both(root) == [0, 1]
    assert "`Aaaaa.Aaaa-9999.csv` cannot be parsed" in opened(root)
    said = clear(*capfd.readouterr())
    # whoever may read the raw zone finds it there
    (place,) = [line.split()[-1] for line in said.splitlines() if line.strip().startswith("given:")]
    assert (root / "lake/restricted" / place).is_file()
