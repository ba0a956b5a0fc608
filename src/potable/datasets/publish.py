"""The verb `publish`: the gates, then the files. Nothing is written unless every gate lets it pass.

Gates: one row per subject, no null label, k-anonymity of the declared columns (suppressed or refused), the
leak scan of every cell, and the rates of declared groups. What passes is written once, sorted by pseudonym,
as CSV and Parquet; the version that names the files is committed by whoever ran this (`version.commit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from potable.datasets.anonymity import Anonymity, empty_rows, measure, suppress
from potable.datasets.bias import Disparity, Groups, rates, require_fair
from potable.datasets.card import CardFacts, card
from potable.datasets.files import Written, chunks, write_both
from potable.datasets.gates import Known, LeakScan, leak_scan, require_clean
from potable.datasets.profile import Distribution, formulas, profile
from potable.engines.base import Engine, collect, scalars
from potable.errors import DataError, PrivacyRefusal
from potable.store.objects import Store


@dataclass(frozen=True)
class Spec:
    """What a dataset promises."""

    name: str
    id_column: str
    label: str
    """The column that no row may lack; empty where nothing is to be predicted."""
    quasi: tuple[str, ...]
    """Columns k-anonymity is declared for."""
    k: int
    suppress: bool
    """Whether classes below k lose their quasi-identifiers; otherwise they are refused."""
    least: int
    """Rows below which nothing is told apart beside the dataset."""
    kin: tuple[str, ...] = ()
    """Columns that would give quasi-identifiers back; emptied with them."""
    groups: Groups | None = None
    """Groups whose rates are compared."""
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By column, the source columns it reads."""


@dataclass(frozen=True)
class Published:
    """A dataset that passed, as local files."""

    csv: Written
    parquet: Written
    rows: int
    scan: LeakScan
    anonymity: Anonymity | None
    suppressed: int
    """Rows whose quasi-identifiers were emptied."""
    balance: Mapping[str, int]
    """Rows per value of the label; empty without one."""
    distributions: tuple[Distribution, ...]
    disparities: tuple[Disparity, ...] = ()
    formulas: Mapping[str, int] = field(default_factory=dict)
    """Cells by text column that a spreadsheet would take for formulas."""

    @property
    def k(self) -> int:
        """Rows of the smallest class; 0 where none is declared."""
        return self.anonymity.k if self.anonymity else 0

    def facts(self) -> dict[str, Any]:
        """Everything the record of a run keeps of it."""
        return {
            "balance": dict(self.balance),
            "distributions": [asdict(item) for item in self.distributions],
            "disparities": [asdict(item) for item in self.disparities],
            "identifiers": self.scan.identifiers,
            "findings": len(self.scan.findings),
            "cells_scanned": self.scan.scanned_cells,
            "k": self.k,
        }

    def stored(self, store: Store, folder: str, facts: CardFacts) -> dict[str, dict[str, Any]]:
        """Put CSV, Parquet and card into `folder` of the store; returns path, bytes and hash of each."""
        hashes = {self.csv.path.name: self.csv.sha256, self.parquet.path.name: self.parquet.sha256}
        self.csv.path.with_name("README.md").write_text(card(replace(facts, files=hashes)), encoding="utf-8")
        made = {"csv": self.csv, "parquet": self.parquet, "card": Written.of(self.csv.path.with_name("README.md"), 0)}
        files = {}
        for kind, item in made.items():
            path = f"{folder}/{item.path.name}"
            store.put(path, chunks(item.path))
            files[kind] = {"path": path, "bytes": item.bytes, "sha256": item.sha256}
        return files


def publish(rows: ir.Table, spec: Spec, known: Known, *, engine: Engine, scratch: Path) -> Published:
    """Hold `rows` (the built features) to the gates and write them to `scratch`.

    Raises:
        DataError: D005, rows are not one per subject or have no label; D009, groups differ more than declared.
        PrivacyRefusal: G002 below k, G001 a known identifier stands in a cell.
    """
    before = rows
    if spec.quasi and spec.suppress:
        parts = engine.write(suppress(rows, spec.quasi, k=spec.k, also=spec.kin), str(scratch / "suppressed"))
        rows = engine.read([str(scratch / "suppressed" / part.path) for part in parts], before.schema().to_pyarrow())
    count = _require_one_row_each(rows, spec, engine, expected=before)
    anonymity = _require_k(rows, spec, engine)
    scan = leak_scan(rows, known, id_column=spec.id_column, engine=engine, scratch=str(scratch / "known"))
    require_clean(scan, spec.origins)
    distributions = profile(rows, engine, least=spec.least, hidden=(spec.id_column,))
    disparities = rates(rows, spec.groups, distributions, engine) if spec.groups else []
    require_fair(disparities)
    ordered = rows.order_by(spec.id_column)
    csv, parquet = write_both(engine.stream(ordered), ordered.schema().to_pyarrow(), scratch, spec.name)
    return Published(
        csv=csv,
        parquet=parquet,
        rows=count,
        scan=scan,
        anonymity=anonymity,
        suppressed=empty_rows(rows, spec.quasi, engine) - empty_rows(before, spec.quasi, engine) if spec.quasi else 0,
        balance=_balance(rows, spec, engine),
        distributions=tuple(distributions),
        disparities=tuple(disparities),
        formulas=formulas(rows, engine, hidden=(spec.id_column,)),
    )


def _require_one_row_each(rows: ir.Table, spec: Spec, engine: Engine, *, expected: ir.Table) -> int:
    lacking = rows[spec.label].isnull().cast("int64").sum().fill_null(0) if spec.label else ibis.literal(0)
    counted = rows.agg(rows=rows.count(), subjects=rows[spec.id_column].nunique(), unlabelled=lacking)
    found = scalars(engine, counted)
    wanted = scalars(engine, expected.agg(n=expected.count()))["n"]
    if not found["rows"] == found["subjects"] == wanted or found["unlabelled"]:
        raise DataError(
            f"`{spec.name}` does not have exactly one {'labelled ' if spec.label else ''}row per subject",
            "D005",
            given=f"{found['rows']:,} rows, {found['subjects']:,} subjects, {found['unlabelled']:,} without label",
            allowed=f"{wanted:,} of each, none without label",
            hint=f"`{spec.label}` is null there: give it an `else`, or declare another label after it that never is"
            if found["unlabelled"]
            else "",
            state="nothing was published; the last version stays current",
        )
    return int(found["rows"])


def _require_k(rows: ir.Table, spec: Spec, engine: Engine) -> Anonymity | None:
    if not spec.quasi:
        return None
    found = measure(rows, spec.quasi, k=spec.k, engine=engine)
    if found.rows_below:
        raise PrivacyRefusal(
            f"`{spec.name}` has only k = {found.k} over {', '.join(spec.quasi)}",
            "G002",
            given=f"{found.rows_below:,} rows in groups smaller than {spec.k}",
            hint="the dataset has fewer rows than `k`, so k cannot be reached even with these columns empty"
            if spec.suppress
            else "use coarser bands, list fewer columns, or set `below: suppress` in privacy.yaml",
            state="nothing was published; the last version stays current",
            next="potable plan",
        )
    return found


def _balance(rows: ir.Table, spec: Spec, engine: Engine) -> dict[str, int]:
    """Rows per value of the label; those of values with few rows together, unless there are only two values."""
    if not spec.label:
        return {}
    labels = rows.select(label=rows[spec.label].cast("string"))
    counted = labels.group_by("label").agg(n=labels.count())
    by_size = counted.mutate(value=ibis.ifelse(counted.n < spec.least, ibis.null("string"), counted.label))
    values = scalars(engine, counted.agg(n=counted.count()))["n"]
    if values > 2:
        counted = by_size.group_by(label=by_size.value).agg(n=by_size.n.sum())
    found = {row["label"]: int(row["n"]) for row in collect(engine, counted.order_by("label")).to_pylist()}
    rare = found.pop(None, 0)
    return {**found, **({f"each in fewer than {spec.least} rows": rare} if rare else {})}
