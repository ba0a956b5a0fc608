"""Who people are: the way back from the pseudonyms of a dataset, for those whom privacy.yaml allows it.

What is told is what the last finished `resolve` made of the roster: its ledger, and the validated rows that it read.
The call is recorded before a value is written down, so one that is killed is known.

Entry: `identify`.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, counted
from potable.errors import EnvironmentFailure, PotableError
from potable.identity.match import normalise
from potable.identity.reissued import HELD, namespaces
from potable.identity.resolve import KEYS
from potable.privacy.identify import Known, current, read
from potable.privacy.policy import IDENTIFY, Identify
from potable.privacy.pseudonyms import PseudonymKey, pseudonyms
from potable.privacy.roster import SUBJECT_ID, Held
from potable.project import Project
from potable.runs import handed, ledger, scores, since
from potable.runs.disclosed import NOTHING, Call, refusal
from potable.runs.quarantined import finished, reading
from potable.runs.record import runs_of
from potable.runs.scores import Scores, unreadable
from potable.runs.vault import existing_key
from potable.store.layout import Lake
from potable.store.manifest import File, Manifest

_ASKED = pa.schema([("number", pa.int64()), ("id", pa.string())])
_EPOCHS = 5
"""Earlier epochs that are looked at, where nobody is known by an id."""


@dataclass(frozen=True)
class Asked:
    """Whom somebody wants to know."""

    file: Path
    """Rows about pseudonyms: CSV or Parquet."""
    purpose: str
    target: Path
    """The file to write."""
    column: str = ""
    """Where the ids stand; by default in the column that the dataset has them in."""


@dataclass(frozen=True)
class Told:
    """What became of it; no values."""

    columns: Sequence[str]
    """The columns that were added."""
    rows: int
    asked: int
    """Different ids in the file."""
    found: int
    """People they lead to."""
    several: int
    """Those who have several numbers of a roster; told is the one of their newest record."""
    entry: int
    """Number of the entry in the record."""


def identify(project: Project, asked: Asked, *, now: datetime | None = None) -> Told:
    """Write the rows of a file with what privacy.yaml lets be told of the people they are about.

    Raises:
        PrivacyRefusal: G005, it may not be told; G006, the record of earlier calls was changed.
        DataError: D011, the file cannot be read, or nobody is known by its ids.
        EnvironmentFailure: E008, nobody was resolved yet, or not by the contracts of today; E002, E004.
    """
    now = now or datetime.now(UTC)
    project.require_written("`identify`")
    declared = _declared(project, asked.purpose)
    handed.require_new(asked.target)
    lake, key = _opened(project)
    _require_apart(lake, asked.target)
    call = Call(project, declared, lake, asked.purpose, now)
    call.require_declared()
    with (
        scores.opened(asked.file, asked.column or project.plan.id_column) as file,
        reading(project) as engine,
        _scratch(project) as folder,
    ):
        names = _names(file, declared, asked.file.name)
        rows, ids = _ids(file, engine, Path(folder))
        call.input = {"sha256": file.sha256, "rows": rows, "asked": _different(engine, ids)}
        call.require_few()
        way = _Way(project, lake, engine, Path(folder), key)
        whom, found = way.whom(ids)
        if not found:
            call.add("unknown", found=0)
            raise way.unknown(ids, asked.file.name)
        # what the contracts of today cannot read is told before anything is recorded
        values, several = way.values(ids, whom, declared.columns, now), way.several(whom)
        entry = call.add("given", found=found, people=way.digest(whom), resolved=way.resolved.fingerprint)
        with handed.private(asked.target) as out:
            file.write(out, names, _InOrder(engine.stream(values)))
        return Told(names, rows, call.input["asked"], found, several, entry["number"])


def _declared(project: Project, purpose: str) -> Identify:
    declared = project.policy.identify
    if declared is None:
        line = f"columns: [{', '.join(_candidates(project))}], purposes: [{json.dumps(purpose, ensure_ascii=False)}]"
        raise refusal(
            "privacy.yaml does not allow that people are identified",
            place=project.documents["privacy"].place(),
            allowed=f"{IDENTIFY}: {{{line}, most: 500}}",
            hint="infosec may add that line: what is told of people, what for, and of how many within 30 days",
        )
    return declared


def _candidates(project: Project) -> Iterator[str]:
    """What infosec may want to be told: the first key of each roster of the dataset's people, and their e-mail."""
    for name, table in project.tables.items():
        if table.roster == project.features.subject:
            mails = [each for each, column in table.columns.items() if "email" in (column.declared_category or "")]
            for column in dict.fromkeys([*list(table.keys)[:1], *mails[-1:]]):
                yield f"{name}.{column}"


def _opened(project: Project) -> tuple[Lake, bytes]:
    """The lake and the vault's key.

    Raises:
        EnvironmentFailure: E008, there is none; E004, it cannot be read.
    """
    hint = "this needs the restricted root and the vault; by the open root alone nobody can tell who people are"
    settings = project.platform
    for root in (settings.lake.restricted, settings.vault):
        # to open a folder makes it
        if "://" not in root and not (project.root / Path(root).expanduser()).is_dir():
            raise EnvironmentFailure(f"there is no `{root}`", "E008", hint=hint, state=NOTHING, next="potable run")
    lake = project.lake()
    try:
        key = existing_key(lake.vault)
    except PotableError as failure:
        failure.hint, failure.state = hint, NOTHING
        raise
    if key is None:
        raise EnvironmentFailure("the vault has no key yet", "E008", hint=hint, state=NOTHING, next="potable run")
    return lake, key


def _require_apart(lake: Lake, target: Path) -> None:
    """Nothing, where the target lies outside of the open root."""
    root = lake.open.locate("")
    if "://" not in root and target.resolve().is_relative_to(Path(root).resolve()):
        hint = "choose a place that only those may read who may know"
        raise refusal("who people are would be written into the open root", given=str(target), hint=hint)


def _scratch(project: Project) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=project.root / project.platform.scratch, prefix="run-")


def _names(file: Scores, declared: Identify, name: str) -> list[str]:
    """What the added columns are called: as in their table, or in full where another column is called so."""
    short = [full.rpartition(".")[2] for full in declared.columns]
    taken = {*file.columns, *(own for own in short if short.count(own) > 1)}
    names = [full if own in taken else own for own, full in zip(short, declared.columns, strict=True)]
    if twice := [own for own in names if own in file.columns]:
        raise unreadable(
            name, f"has a column `{twice[0]}` already", hint="rename it, or take the file as it was scored"
        )
    return names


def _ids(file: Scores, engine: Engine, folder: Path) -> tuple[int, ir.Table]:
    """How many rows there are, and (number, id) of each."""
    path, rows = folder / "ids.parquet", 0
    with pq.ParquetWriter(path, _ASKED) as writer:
        for chunk in file.ids():
            numbers = pa.array(range(rows, rows + len(chunk)), pa.int64())
            writer.write_table(pa.table([numbers, pa.array(chunk, pa.string())], schema=_ASKED))
            rows += len(chunk)
    return rows, engine.read([str(path)], _ASKED)


def _different(engine: Engine, ids: ir.Table) -> int:
    return since.count(engine, ids.filter(ids.id.notnull()).select("id").distinct())


@dataclass(frozen=True)
class _Resolved:
    """What the last finished `resolve` made, and from what."""

    fingerprint: str
    files: Mapping[str, Sequence[File]]
    """Its outputs in the vault."""
    tables: Mapping[str, Manifest]
    """The validated tables it read."""


@dataclass
class _Way:
    """The way from pseudonyms to people."""

    project: Project
    lake: Lake
    engine: Engine
    folder: Path
    key: bytes

    @cached_property
    def resolved(self) -> _Resolved:
        """What the last run of the project came to, which may have found again what an earlier one made.

        Where no record says so, the newest ledger that was made from tables of this lake; others may share the vault.

        Raises:
            EnvironmentFailure: E008, there is none.
        """
        for run in runs_of(self.project):
            fingerprint = finished(run, "resolve subjects")
            made = since.found(self.lake, "vault", "subjects", fingerprint) if fingerprint else None
            if made and (tables := self._tables(made.facts)):
                return _Resolved(made.fingerprint, made.files, tables)
        for entry in ledger.log_of(self.lake.vault).newest():
            if tables := self._tables(entry.get("facts", {})):
                files = {output: [File(**file) for file in listed] for output, listed in entry["files"].items()}
                return _Resolved(entry["fingerprint"], files, tables)
        problem = "it has not been found out yet who is who"
        raise EnvironmentFailure(problem, "E008", state=NOTHING, next=self.project.next_run)

    def _tables(self, facts: Mapping[str, Any]) -> dict[str, Manifest] | None:
        """The validated tables that a `resolve` read, by what it says of itself; None where not all are there."""
        origins = facts.get("origins", {})
        tables = {name: since.found(self.lake, "validated", name, origin) for name, origin in origins.items()}
        known = {name: manifest for name, manifest in tables.items() if manifest}
        return known if len(known) == len(tables) else None

    @cached_property
    def keys(self) -> ir.Table:
        """Which subject each key belongs to."""
        return self.engine.read(self._files("keys"), KEYS)

    def whom(self, ids: ir.Table) -> tuple[ir.Table, int]:
        """(id, subject) of the people whom ids lead to, and how many they are."""
        names = pseudonyms(self.keys, self._key(self.project.policy.epoch), buckets=1, engine=self.engine)
        asked = ids.filter(ids.id.notnull()).select("id").distinct()
        found = asked.inner_join(names, asked.id == names.pseudonym).select("id", "subject")
        return counted(self.engine, found, str(self.folder / "whom"))

    def values(self, ids: ir.Table, whom: ir.Table, columns: Sequence[str], now: datetime) -> ir.Table:
        """(number, id, and the columns by their place) of every row, in their order; null for nobody.

        Raises:
            EnvironmentFailure: E008, a table was not validated by the contract of today.
        """
        known = Known(self.keys, normalise, self._held())
        told = ids.left_join(whom.select(_id="id", subject="subject"), ids.id == whom.id)
        for name in dict.fromkeys(full.rpartition(".")[0] for full in columns):
            mine = {f"_{place}": full.rpartition(".")[2] for place, full in enumerate(columns) if _of(full, name)}
            about = current(
                self._rows(name, list(mine.values())), self.project.tables[name], list(mine.values()), known, now
            )
            about = about.select(_whose=SUBJECT_ID, **mine)
            told = told.left_join(about, told.subject == about["_whose"]).drop("_whose")
        return told.select("number", "id", *(f"_{place}" for place in range(len(columns)))).order_by("number")

    def several(self, whom: ir.Table) -> int:
        """How many of the people have several numbers of a roster."""
        first = {
            next(iter(table.keys.values())) for table in self.project.tables.values() if table.roster and table.keys
        }
        keys = self.keys.filter(self.keys.rostered, self.keys.namespace.isin(sorted(first)))
        numbers = keys.semi_join(whom, "subject").group_by("namespace", "subject").agg(n=ibis._.count())
        return since.count(self.engine, numbers.filter(numbers.n > 1).select("subject").distinct())

    def digest(self, whom: ir.Table) -> str:
        """A keyed hash of who was found, in any order, that tells nobody."""
        secret = self._key(self.project.policy.epoch).secret
        made = hashlib.blake2b(digest_size=16, key=secret, person=b"potable-identify")
        for batch in self.engine.stream(whom.select("id").order_by("id")):
            made.update("".join(batch.column(0).to_pylist()).encode())
        return made.hexdigest()

    def unknown(self, ids: ir.Table, name: str) -> PotableError:
        """The error of a file by whose ids nobody is known."""
        asked = ids.filter(ids.id.notnull()).select("id").distinct()
        formed = since.count(self.engine, asked.filter(asked.id.re_search("^[0-9a-f]{32}$")))
        if not formed:
            return unreadable(name, "has no subject ids in that column", hint="name their column with --column")
        epoch = self.project.policy.epoch
        for earlier in range(epoch - 1, max(0, epoch - 1 - _EPOCHS), -1):
            names = pseudonyms(self.keys, self._key(earlier), buckets=1, engine=self.engine)
            if since.count(self.engine, asked.inner_join(names, asked.id == names.pseudonym)):
                return unreadable(
                    name,
                    f"has ids of epoch {earlier}, and privacy.yaml says {epoch}",
                    hint="everybody was given a new pseudonym then, so that nobody is found by the old one",
                    again="potable run --as-of DATE --scoring",
                )
        return unreadable(
            name,
            "has ids by which nobody is known here",
            given=f"{formed:,} different ids",
            hint=f"are they of another vault, or of another dataset than `{self.project.features.dataset}`?",
        )

    def _key(self, epoch: int) -> PseudonymKey:
        return PseudonymKey.derive(self.key, dataset=self.project.features.dataset, epoch=epoch)

    def _files(self, output: str) -> list[str]:
        return [self.lake.vault.locate(file.path) for file in self.resolved.files.get(output, ())]

    def _held(self) -> Held | None:
        spaces, files = namespaces(self.project.tables.values()), self._files("held")
        return Held(self.engine.read(files, HELD), spaces) if spaces and files else None

    def _rows(self, name: str, columns: Sequence[str]) -> ir.Table:
        """The columns of a validated table by which somebody is told."""
        table, manifest = self.project.tables[name], self.resolved.tables.get(name)
        wanted = read(table, columns)
        whole = validated_schema(table)
        files = manifest.files.get("rows", ()) if manifest else ()
        there = {name for file in files[:1] for name in self._columns(file)} if files else set(wanted)
        if manifest is None or not there.issuperset(wanted):
            problem = f"`{name}` was not validated by the contract of today yet"
            raise EnvironmentFailure(problem, "E008", state=NOTHING, next="potable run --only resolve")
        paths = manifest.paths(self.lake.restricted)
        return self.engine.read(paths, pa.schema([whole.field(column) for column in wanted]))

    def _columns(self, file: File) -> list[str]:
        with self.lake.restricted.open(file.path) as opened:
            names: list[str] = pq.read_schema(opened).names
        return names


def _of(full: str, table: str) -> bool:
    return full.rpartition(".")[0] == table


class _InOrder:
    """Values of rows one after the other, held to the ids that they are for."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.Table | None = None

    def take(self, ids: Sequence[str | None]) -> pa.Table:
        """The values of the next rows, whose ids these are."""
        parts = [self._next(len(ids))]
        while needed := len(ids) - sum(part.num_rows for part in parts):
            parts.append(self._next(needed))
        rows = pa.concat_tables(parts)
        if rows["id"].to_pylist() != list(ids):
            raise AssertionError("values would be told of somebody else")
        return rows.drop_columns(["number", "id"])

    def _next(self, most: int) -> pa.Table:
        if self._left is None or not self._left.num_rows:
            self._left = pa.Table.from_batches([next(self._batches)])
        part, self._left = self._left.slice(0, most), self._left.slice(most)
        return part
