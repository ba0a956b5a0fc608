"""The files of a project's folder, read one by one: what is wrong in each is kept, so that all of it is told at once.

What they must agree on is the business of `agreement`, and `project` brings both together. Entry: `Reader`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from potable import plugins
from potable.contracts.custom import Custom, classes
from potable.contracts.suites import Suite, read_suite
from potable.declarations import Document, overlay
from potable.deployment import Platform
from potable.errors import Place, PotableError, ProjectError, ProjectErrors, did_you_mean
from potable.projectfiles import REFERS, read
from potable.sources.base import Source
from potable.tables import Table

R = TypeVar("R")


def connector(document: Document) -> type[Source[Any]]:
    """The class that reads a source's kind of system.

    Raises:
        ProjectError: P004 its `type` is missing, P005 no connector of that name is installed.
    """
    try:
        kind = document.data.get("type")
        found: type[Source[Any]] = plugins.load("sources", str(kind or ""))
    except ProjectError as failure:
        failure.place = document.place("type")
        if not kind:
            failure.problem, failure.code = "`type` is missing: what kind of system is this source?", "P004"
        raise
    return found


def _asked(declared: Mapping[str, Any], as_of: date, *, scoring: bool) -> dict[str, Any]:
    """What features.yaml says, for the day that was asked for."""
    asked = {**declared, "rows": {**declared["rows"], "as_of": {"at": as_of}}}
    # a test may be of a label
    return {**{key: asked[key] for key in asked if key not in ("bias", "tests")}, "label": {}} if scoring else asked


def _for_landing(literal: Mapping[str, Any]) -> frozenset[str]:
    """Keys of a source that only landing reads; none where its type is not known."""
    try:
        model: type[Source[Any]] = plugins.load("sources", str(literal.get("type") or ""))
    except PotableError:
        return frozenset()
    return model.for_landing


class Reader:
    """Reads the files of one folder, keeping documents and errors."""

    def __init__(self, root: Path, variables: Mapping[str, str], *, landing: bool = True) -> None:
        self._root = root
        self._variables = variables
        self._landing = landing
        self.documents: dict[str, Document] = {}
        self.errors: list[PotableError] = []
        self.lost: set[str] = set()
        """Sources that are wrong in themselves: what names their tables cannot be judged."""
        self._unresolved: set[str] = set()

    def document(self, stem: str, folder: str = "") -> Document | None:
        """One file; None, and an error kept, when it cannot be read."""
        path = self._root / folder / f"{stem}.yaml"
        unneeded = _for_landing if folder == "sources" and not self._landing else None
        wrong: list[PotableError] = []
        found = self.keep(
            lambda: read(path, root=self._root, environment=self._variables, unneeded=unneeded, wrong=wrong)
        )
        self.errors += wrong
        if found:
            self.documents[stem] = found
            self._unresolved |= {found.path} if wrong else set()
        return found

    def later(self, stem: str) -> Document | None:
        """A file that may not be written yet; a link to nowhere is wrong, not absent."""
        return self.document(stem) if os.path.lexists(self._root / f"{stem}.yaml") else None

    def platform(self, environment: str | None) -> Document | None:
        """potable.yaml with the environment's overlay."""
        base = self.document("potable")
        if environment is not None and base:
            top = self._environment(environment)
            self.documents["potable"] = base = overlay(base, top) if top else base
        return base

    def _environment(self, name: str) -> Document | None:
        """The file of an environment; None, and an error kept that names those there are."""
        if name and os.path.lexists(self._root / "envs" / f"{name}.yaml"):
            return self.document(name, "envs")
        there = sorted(path.stem for path in (self._root / "envs").glob("*.yaml"))
        # as `--env "$STAGE"` is where nobody set it: without one it would be another lake
        problem = f"`envs/{name}.yaml` does not exist" if name else "`--env` is empty"
        missing = ProjectError(problem, "P001", place=Place(f"envs/{name}.yaml") if name else None)
        missing.allowed, missing.hint = ", ".join(there), did_you_mean(name, there)
        if not there:
            missing.hint = "write there what differs from potable.yaml, or leave `--env` out"
        self.errors.append(missing)
        return None

    def features(self, as_of: date | None, *, scoring: bool) -> Document | None:
        """features.yaml with another as-of date laid over it, without labels where its rows are to be scored."""
        found = self.later("features")
        if as_of and found and isinstance(found.data.get("rows"), dict):
            data, literal = (_asked(part, as_of, scoring=scoring) for part in (found.data, found.literal))
            self.documents["features"] = found = replace(found, data=data, literal=literal)
        return found

    def sources(self) -> dict[str, Source[Any]]:
        """All declared sources, by name."""
        found: dict[str, Source[Any]] = {}
        paths = sorted((self._root / "sources").glob("*.yaml"))
        if not paths:
            hint = (
                "write sources/NAME.yaml with `source: NAME`, its `type` and its location (docs/reference/sources.md)"
            )
            problem, place = "the project has no source yet", Place("sources/")
            again = "potable source discover NAME --write"
            self.errors.append(ProjectError(problem, "P001", place=place, hint=hint, next=again))
            self.lost.add("")
        for path in paths:
            document = self.document(path.stem, "sources")
            source = self.source(document) if document else None
            if source:
                found[path.stem] = source
            else:
                self.lost.add(path.stem)
        return found

    def source(self, document: Document) -> Source[Any] | None:
        """The source a document declares; None, and its errors kept, when it is wrong."""
        stem = Path(document.path).stem
        if document.data.get("source") != stem:
            place = document.place("source")
            self.errors.append(
                ProjectError(f"`source` must be the same as the file name, `{stem}`", "P005", place=place)
            )
        try:
            model = connector(document)
        except ProjectError as failure:
            self.errors.append(failure)
            return None
        source: Source[Any] | None = self.model(document, model)
        return source

    def customs(self, platform: Platform) -> dict[str, Custom]:
        """The expectation classes of the plug-ins; the errors of one that cannot be read are kept."""
        found: list[plugins.Module] = []
        for index, name in enumerate(platform.plugins):
            try:
                module = plugins.module(self._root, name)
                classes([module])
                found.append(module)
            except ProjectError as failure:
                failure.place = failure.place or self.documents["potable"].place("plugins", index)
                self.errors.append(failure)
        return classes(found)

    def suite(self, table: Table) -> Suite | None:
        """The suite a table names; None where it names none, or it is wrong and its error kept."""
        path = table.suite
        return self.keep(lambda: read_suite(self._root, path)) if path else None

    def model(self, document: Document | None, model: Any) -> Any:
        """The document's declaration; None, and its errors kept, when it is wrong."""

        if document is None:
            return None
        dubious = document.path in self._unresolved
        return self.keep(
            lambda: document.model(model), lambda error: not dubious or REFERS not in f"{error.problem} {error.given}"
        )

    def known(self, error: PotableError) -> bool:
        """Whether an error names no table of a source that is wrong in itself, of which nothing is known."""
        return not any(f"{source}." in f"{error.problem} {error.given}" for source in self.lost)

    def keep(self, work: Callable[[], R], told: Callable[[PotableError], bool] = lambda error: True) -> R | None:
        """What `work` gives; None, and its errors kept that are to be `told`, when it finds the project wrong."""
        try:
            return work()
        except ProjectErrors as failure:
            self.errors += filter(told, failure.errors)
        except ProjectError as failure:
            self.errors += filter(told, [failure])
        return None


class Unset(dict[str, str]):
    """Variables of which those that are not set stand for themselves."""

    def __missing__(self, name: str) -> str:
        return f"${{env:{name}}}"
