"""Documents a second: Word, e-mail and PDF by Potable, and Word by hand for its text alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from plain_parse import parse_docx

from potable.plugins import load
from potable.sources.base import Source
from potable.sources.blobs import Blob


def documents(here: Path, count: int) -> None:
    """Read Word documents of the estate in `here`, e-mails and PDF letters; print how many a second."""
    columns = {"emp_no": {"path": ["Employee number", "Staff number"]}, "text": {"path": "@text"}}
    interviews = sorted((here / "estate" / "exit_interviews").iterdir())
    mail, letter = here / "letter.eml", here / "letter.pdf"
    text = "Employee number: E0012345\n" + "I leave because the way to the office takes two hours. \n" * 20
    mail.write_text(f"From: a@example.com\nSubject: Exit interview\n\n{text}", encoding="utf-8")
    letter.write_bytes(_pdf(text))
    print(f"\n{'documents':34}{'count':>10}{'per s':>8}{'per s of processor':>20}")
    for kind, paths, share in (("docx", interviews, 1), ("email", [mail], 1), ("pdf", [letter], 10)):
        source = _source(kind, {"t": {"columns": columns}})
        blobs = [_blob(paths[number % len(paths)]) for number in range(count // share)]
        _per_second(f"potable, {kind}", len(blobs), partial(source.parse_all, "t", blobs))
    _per_second(
        "zipfile + lxml, docx, text only",
        count,
        lambda: [parse_docx([interviews[number % len(interviews)]]) for number in range(count)],
    )


def _per_second(name: str, count: int, work: Callable[[], Iterable[Any]]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    for _ in work():
        pass
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{name:34}{count:>10,}{count / clock:>8,.0f}{count / processor:>20,.0f}", flush=True)


def _pdf(text: str) -> bytes:
    from fpdf import FPDF

    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=11)
    made.multi_cell(0, 6, text)
    return bytes(made.output())


def _source(kind: str, tables: dict[str, Any]) -> Source[Any]:
    made: Source[Any] = load("sources", kind).model_validate(
        {"source": "s", "type": kind, "path": "x", "tables": tables}
    )
    return made


def _blob(path: Path) -> Blob:
    return Blob(path.name, str(path.parent), path.name, False, path.stat().st_size)
