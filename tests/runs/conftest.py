"""A small synthetic company, served and run end to end once, for every test that looks at the outcome."""

from __future__ import annotations

import contextlib
import io
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.once import made_once

from potable import estate
from potable.datasets.version import Version, current
from potable.estate.environment import read_environment
from potable.project import Project, load
from potable.runs.record import Event, RunRecord, Verb
from potable.runs.runner import Options, run
from potable.sources.ingest import current as current_raw

EXAMPLE = Path(__file__).parents[2] / "examples" / "attrition"
SMALL = EXAMPLE.parent / "churn"
EMPLOYEES = 150


@dataclass(frozen=True)
class Company:
    """The five systems, up and running, and the truth about them."""

    directory: Path
    variables: dict[str, str]

    def truth(self, name: str) -> pa.Table:
        """One file of the truth the pipeline never sees."""
        return pq.read_table(self.directory / "truth" / f"{name}.parquet")


@dataclass(frozen=True)
class Bench:
    """A project folder with its own lake, to run, change and run again."""

    root: Path
    company: Company

    def project(self) -> Project:
        """The project as its files are now."""
        return load(self.root, variables=self.company.variables)

    def run(self, only: Verb | None = None, listener: Callable[[Event], None] = lambda event: None) -> RunRecord:
        """One run, in this process."""
        return run(self.project(), Options(only=only), listener)

    def publish(self) -> RunRecord:
        """One run that must publish; where it does not, its error is told."""
        record = self.run()
        assert record.outcome == "published", record.error
        return record

    def edit(self, file: str, old: str, new: str) -> None:
        """Change one place of a project file."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def with_variables(self, **variables: str) -> Bench:
        """The same with other environment variables."""
        return replace(self, company=replace(self.company, variables={**self.company.variables, **variables}))

    @property
    def version(self) -> Version:
        """The current version of the dataset."""
        project = self.project()
        found = current(project.lake().versions(project.features.dataset))
        assert found
        return found

    def file(self, kind: str) -> bytes:
        """The bytes of one file of the current version."""
        return self.project().lake().open.get(self.version.files[kind])

    def table(self) -> pa.Table:
        """The current version."""
        return pq.read_table(io.BytesIO(self.file("parquet")))


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company of 150 people over 20 years, its learning platform served over HTTP."""

    def make(directory: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            estate.make(directory, employees=EMPLOYEES, years=20, seed=7)

    directory = made_once(tmp_path_factory, "company", make)
    with estate.serve(directory) as url:
        yield Company(directory, {**read_environment(directory), "LMS_URL": url})


@pytest.fixture
def bench(company: Company, tmp_path: Path) -> Bench:
    """A fresh project folder."""
    return make_bench(company, tmp_path / "project")


def make_bench(company: Company, root: Path, *, vault: Path | None = None, **settings: object) -> Bench:
    """A project folder for the attrition example; `settings` replace keys of potable.yaml."""
    shutil.copytree(EXAMPLE, root)
    lines = [f"vault: {vault}"] if vault else ["vault: vault"]
    lines += [f"{key}: {value}" for key, value in ({"threads": 1, "memory": "1GB"} | settings).items()]
    (root / "potable.yaml").write_text(
        "project: attrition\nlake: {restricted: lake/restricted, open: lake/open}\n" + "\n".join(lines) + "\n"
    )
    return Bench(root, company)


def make_small(root: Path) -> Bench:
    """A project folder for the small example, which has its data beside it and runs in two seconds."""
    shutil.copytree(SMALL, root)
    return Bench(root, Company(root, {}))


def small_once(factory: pytest.TempPathFactory) -> Bench:
    """The small example, published; read it, do not change it."""
    root = made_once(factory, "finished-small", lambda root: make_small(root).publish())
    return Bench(root, Company(root, {}))


@pytest.fixture(scope="session")
def finished_small(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The small example's dataset, published once; read it, do not change it."""
    return small_once(tmp_path_factory)


@pytest.fixture
def small(finished_small: Bench, tmp_path: Path) -> Bench:
    """A copy of the small example with lake and vault, that may be changed."""
    return left_to_do(finished_small, tmp_path / "small")


@pytest.fixture
def published(finished: tuple[Bench, RunRecord], tmp_path: Path) -> Bench:
    """A copy of the finished project, lake and vault, that may be changed."""
    shutil.copytree(finished[0].root, tmp_path / "published")
    return Bench(tmp_path / "published", finished[0].company)


ZONES = {
    "validate": ["lake/restricted/validated", "lake/restricted/quarantine"],
    "resolve": ["vault/ledger", "vault/vault"],
    "protect": ["lake/open/protected", "vault/vault/identifiers", "vault/vault/pseudonyms"],
    "build": ["lake/open/features"],
    "publish": ["lake/open/datasets"],
}
"""Folders of a finished project that each verb after `ingest` makes."""


def left_to_do(finished: Bench, root: Path, *verbs: Verb) -> Bench:
    """A copy of the finished project as it was before these verbs; the runs they share are not made again."""
    shutil.copytree(finished.root, root)
    for zone in (zone for verb in verbs for zone in ZONES[verb]):
        shutil.rmtree(root / zone, ignore_errors=True)
    return Bench(root, finished.company)


def landed(bench: Bench) -> dict[str, set[tuple[str, str]]]:
    """Name and hash of all objects that are landed, by source."""
    project = bench.project()
    raw = {name: current_raw(project.lake().batches(name)) for name in project.sources}
    return {name: {(item.name, item.sha256) for item in found.objects.values()} for name, found in raw.items()}


@pytest.fixture(scope="session")
def finished(company: Company, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, RunRecord]:
    """The company's dataset, published once; read it, do not change it."""

    def make(root: Path) -> None:
        record = make_bench(company, root / "project").run()
        assert record.exit_code == 0, record.error
        (root / "record").write_bytes(pickle.dumps(record))

    made = made_once(tmp_path_factory, "finished", make)
    record = pickle.loads((made / "record").read_bytes())
    return Bench(made / "project", company), record
