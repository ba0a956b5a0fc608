"""Singer taps: any program that speaks the Singer protocol.

Each run asks for the catalog, selects the declared streams, and reads them to the tap's end. Records land as received;
bookmarks are kept in the batch manifest, which is written when all went well. The landed form is `extracts`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from potable.errors import did_you_mean
from potable.sources import programs
from potable.sources.extracting import Stream
from potable.sources.extracts import ExtractSource, ExtractTable, Form, one_way_each
from potable.sources.landed import Arrival
from potable.sources.onwards import State
from potable.sources.programs import Program, failed


def _itself(said: str) -> str | None:
    return said


class SingerTable(ExtractTable):
    """A table of the records of a Singer stream."""


class SingerSource(ExtractSource[SingerTable], Program):
    """A Singer tap."""

    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The tap's configuration; secrets by reference. It reaches the program in a private file."""
    selection: Literal["catalog", "properties", "none"] = "catalog"
    """How streams are selected: with `--catalog`, or with `--properties` for old taps; `none` reads whatever the tap
    sends."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("command", "config", "environment"))
    form: ClassVar[Form] = Form("record", "time_extracted", "stream", _itself)

    @model_validator(mode="after")
    def _one_way_each(self) -> Self:
        one_way_each(self.tables)
        return self

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The records of every stream in objects of consecutive ones: all, or those since the last state."""
        state = state or State()
        reading = _Reading(self, state)
        with programs.private() as folder:
            files = ["--config", programs.write(folder, "config.json", self.config)]
            if self.selection != "none":
                line = self.line(base, folder, [*files, "--discover"])
                reading.select(b"\n".join(programs.lines(self.source, self, line, base=base, wanted=state.wanted)))
                chosen = {"streams": reading.catalog}
                files += [f"--{self.selection}", programs.write(folder, "catalog.json", chosen)]
            if before := reading.before():
                files += ["--state", programs.write(folder, "state.json", before)]
            line = self.line(base, folder, files)
            for received, message in programs.run(self.source, self, line, base=base, wanted=state.wanted):
                yield from reading.take(received, message)
            yield from reading.end(state)


class _Reading:
    """One run of a tap: its streams, and what they come to."""

    def __init__(self, source: SingerSource, state: State) -> None:
        self._source = source.source
        self._tables: dict[str, dict[str, SingerTable]] = {}
        for name, table in source.tables.items():
            self._tables.setdefault(table.stream or name, {})[name] = table
        self.streams = {
            name: Stream(name, tables, state.before.get(next(iter(tables))), batch=state.batch)
            for name, tables in self._tables.items()
        }
        self.catalog: list[Any] = []
        self._ids = {name: name for name in self.streams}
        self._called = {name: name for name in self.streams}
        """Streams by what messages call them: what the catalog does, or by their ids in it."""
        self._offered: set[str] = set()
        self._strange = False
        """Whether there were records of streams that the catalog does not have."""
        self._schemas: dict[str, str] = {}
        self._versions: dict[str, set[Any]] = {}

    def select(self, discovered: bytes) -> None:
        """Take the catalog, the declared streams selected in it and no others."""
        try:
            self.catalog = copy.deepcopy(json.loads(discovered)["streams"])
            called = [(str(item.get("tap_stream_id", item.get("stream"))), item.get("stream")) for item in self.catalog]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise failed(self._source, "the program gives no catalog", retryable=False) from None
        self._offered = {name for names in called for name in names if isinstance(name, str)}
        chosen = {self._place(name, called): name for name in self.streams}
        if len(chosen) < len(self.streams):
            raise failed(self._source, "two `stream` names mean the same stream; use one", retryable=False)
        for place, (item, (identity, stream)) in enumerate(zip(self.catalog, called, strict=True)):
            name = chosen.get(place)
            _select(item, None if name is None else next(iter(self._tables[name].values())))
            if name is not None:
                self._ids[name], self._called[identity] = identity, name
                if [other for _, other in called].count(stream) == 1:
                    self._called[stream] = name

    def _place(self, name: str, called: Sequence[tuple[str, Any]]) -> int:
        """Which entry of the catalog a stream is: the one with that id, or else that name."""
        places = [place for place, names in enumerate(called) if name == names[0]]
        places = places or [place for place, names in enumerate(called) if name == names[1]]
        if len(places) == 1:
            return places[0]
        why = f"the program has several streams `{name}`" if places else f"the program has no stream `{name}`"
        failure = failed(self._source, why, retryable=False)
        failure.allowed = ", ".join(sorted(called[place][0] for place in places) or sorted(self._offered)[:20])
        failure.hint = did_you_mean(name, self._offered) if not places else "write its `tap_stream_id` as `stream`"
        failure.hint = failure.hint or "`stream` in the table names the stream to read"
        raise failure

    def before(self) -> Any:
        """The state to go on from: bookmarks of the streams that are read on, and of no others; None without any."""
        read_on = [stream for stream in self.streams.values() if stream.incremental]
        # a state without bookmarks is of all streams
        if any(stream.before and "bookmarks" not in stream.before for stream in read_on):
            whole = [stream.before["whole"] for stream in read_on if stream.before and "whole" in stream.before]
            if len(whole) == len(read_on) == len(self.streams):
                return whole[0]
            for stream in read_on:
                stream.forget()
        marks: dict[str, Any] = {}
        for stream in read_on:
            marks |= stream.before["bookmarks"] if stream.before else {}
        return {"bookmarks": marks} if marks else None

    def take(self, received: bytes, message: Mapping[str, Any]) -> Iterator[Arrival]:
        """What a message comes to."""
        kind, name = message["type"], message.get("stream")
        if kind == "STATE":
            # numbers have to come back as numbers
            self._reached(json.loads(received).get("value"))
            return
        if kind == "BATCH":
            why = "the program sends records in files (BATCH), which are not read; have it send RECORD messages"
            raise failed(self._source, why, retryable=False)
        if kind not in ("RECORD", "SCHEMA", "ACTIVATE_VERSION"):
            raise failed(self._source, "the program sent a message of an unknown kind", retryable=False)
        if not isinstance(name, str):
            raise failed(self._source, f"the program sent a {kind} message without a stream", retryable=False)
        stream = self.streams.get(self._called.get(name, name))
        if stream is None:
            self._strange |= kind == "RECORD" and name not in self._offered
        elif kind == "RECORD":
            yield from self._record(stream, received, message)
        elif kind == "SCHEMA":
            self._described(stream.name, message)
        else:
            self._activated(stream, message.get("version"))

    def end(self, state: State) -> Iterator[Arrival]:
        """What is left when the tap has ended, and its states."""
        silent = [
            stream.name for stream in self.streams.values() if not (stream.name in self._schemas or stream.before)
        ]
        if silent and self._strange:
            why = f"the program sent nothing of stream `{silent[0]}`, but records of streams "
            why += "that its catalog does not have" if self._offered else "that no table has"
            failure = failed(self._source, why, retryable=False)
            failure.hint = "`stream` in the table is the name that the program's RECORD messages give; run it by hand"
            raise failure
        for stream in self.streams.values():
            yield from stream.flush()
            stream.settle(state)

    def _record(self, stream: Stream, received: bytes, message: Mapping[str, Any]) -> Iterator[Arrival]:
        if "record" not in message:
            raise failed(self._source, "the program sent a record without data", retryable=False)
        if stream.name not in self._schemas:
            why = f"the program sent a record of stream `{stream.name}` before its schema"
            raise failed(self._source, why, retryable=False)
        version = message.get("version")
        if version is not None:
            self._versions.setdefault(stream.name, set()).add(version)
            if version != stream.version:
                stream.renewed()
        yield from stream.add(received, message["record"])

    def _described(self, name: str, message: Mapping[str, Any]) -> None:
        schema = json.dumps([message.get("schema"), message.get("key_properties")], sort_keys=True)
        if self._schemas.setdefault(name, schema) != schema:
            why = (
                f"the program changed the schema of stream `{name}` in the middle; run again to read it with one schema"
            )
            raise failed(self._source, why)

    def _activated(self, stream: Stream, version: Any) -> None:
        """From now on only records of this version count, also among those landed before."""
        if self._versions.get(stream.name, {version}) != {version}:
            why = f"the program sent records of stream `{stream.name}` in a version that it did not activate"
            raise failed(self._source, why)
        stream.replaced |= stream.before is not None and stream.version != version
        if stream.replaced:
            stream.renewed()
        stream.version = version

    def _reached(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise failed(self._source, "the program sent a state message without a state", retryable=False)
        marks = value.get("bookmarks")
        for name, stream in self.streams.items():
            if not isinstance(marks, dict):
                stream.reached({"whole": value} if value else None)
            elif self._ids[name] in marks:
                stream.reached({"bookmarks": {self._ids[name]: marks[self._ids[name]]}})


def _select(item: dict[str, Any], table: SingerTable | None) -> None:
    """Select a stream and all of its fields in the catalog, or deselect it."""
    entries = item.setdefault("metadata", [])
    if not any(entry.get("breadcrumb") == [] for entry in entries):
        entries.append({"breadcrumb": [], "metadata": {}})
    chosen: dict[str, Any] = {"selected": table is not None}
    if table is not None:
        method = "INCREMENTAL" if table.sync_mode == "incremental" else "FULL_TABLE"
        item["replication_method"] = method
        way = {"replication-method": method, "forced-replication-method": method}
        if table.cursor:
            item["replication_key"] = way["replication-key"] = table.cursor[-1]
    else:
        way = {}
    for entry in entries:
        known = entry.setdefault("metadata", {})
        if known.get("inclusion") != "unsupported":
            known |= {**chosen, **way} if entry.get("breadcrumb") == [] else chosen
    if isinstance(item.get("schema"), dict):
        item["schema"]["selected"] = table is not None
