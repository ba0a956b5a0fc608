"""Airbyte connectors: any program or image that speaks the Airbyte protocol, or a low-code manifest.

Each run asks for the catalog, chooses the declared streams, and reads them to the program's end. Records land as
received; states are kept in the batch manifest, which is written when all went well. The landed form is `extracts`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from potable.errors import EnvironmentFailure, did_you_mean
from potable.sources import programs
from potable.sources.extracting import Stream
from potable.sources.extracts import ExtractSource, ExtractTable, Form, one_way_each
from potable.sources.landed import Arrival
from potable.sources.onwards import State
from potable.sources.programs import Program, failed
from potable.sources.records import at

_LOW_CODE = "source-declarative-manifest"
_MEANINGLESS = frozenset({"LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS"})
_LOGGER = logging.getLogger(__name__)
Key = tuple[str | None, str]
"""Namespace and name of a stream."""


def _moment(said: str) -> str | None:
    """Milliseconds since 1970 as ISO 8601."""
    try:
        return datetime.fromtimestamp(float(said) / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return said


class AirbyteTable(ExtractTable):
    """A table of the records of an Airbyte stream."""

    namespace: str | None = None
    """Namespace of the stream, if two have the same name."""

    def of_stream(self, name: str) -> Hashable:
        """The stream that a table of this `name` is of, with its namespace."""
        return self.namespace, super().of_stream(name)


class AirbyteSource(ExtractSource[AirbyteTable], Program):
    """An Airbyte connector."""

    command: str | list[str] = Field(default=_LOW_CODE, repr=False)
    """An executable, or a whole command line: `[docker, run, --rm, -i, airbyte/source-x]`. A path with a slash starts
    at the project folder; any other is looked for in `PATH`. A container gets the folder with its files mounted.
    `source-declarative-manifest` by default, which runs a `manifest`."""
    manifest: str | None = None
    """A low-code connector's `manifest.yaml`, relative to the project folder."""
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The connector's configuration; secrets by reference. It reaches the program in a private file."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("command", "manifest", "config", "environment"))
    form: ClassVar[Form] = Form("record.data", "record.emitted_at", "record.stream", _moment)

    @model_validator(mode="after")
    def _something_to_run(self) -> Self:
        if self.manifest is None and "command" not in self.model_fields_set:
            raise ValueError("give either `command` or `manifest`")
        one_way_each(self.tables)
        return self

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The records of every stream in objects of consecutive ones: all, or those since the last state."""
        state = state or State()
        with programs.private() as folder:
            files = ["--config", programs.write(folder, "config.json", self.config)]
            if self.manifest:
                files += ["--manifest-path", programs.write(folder, "manifest.yaml", self._manifest(base))]
            offered = self._discovered(base, folder, files, state)
            reading = _Reading(self, offered, state)
            files += ["--catalog", programs.write(folder, "catalog.json", {"streams": reading.catalog})]
            if reading.before:
                files += ["--state", programs.write(folder, "state.json", reading.before)]
            line = self.line(base, folder, ["read", *files])
            for received, message in programs.run(self.source, self, line, base=base, wanted=state.wanted):
                yield from reading.take(received, message)
            yield from reading.end(state)

    def _manifest(self, base: Path) -> bytes:
        try:
            return (base / Path(self.manifest or "").expanduser()).read_bytes()
        except OSError as trouble:
            raise EnvironmentFailure(
                f"source `{self.source}`: the manifest cannot be read ({type(trouble).__name__})",
                "E002",
                given=self.manifest or "",
                hint="`manifest` is a path below the project folder",
            ) from None

    def _discovered(self, base: Path, folder: Path, files: list[str], state: State) -> dict[Key, dict[str, Any]]:
        """The streams the connector offers."""
        line = self.line(base, folder, ["discover", *files])
        found: Any = None
        for received, message in programs.run(self.source, self, line, base=base, wanted=state.wanted):
            _told(self.source, message)
            if message["type"] == "CATALOG":
                found = at(json.loads(received), "catalog.streams")
        if not isinstance(found, list):
            raise failed(self.source, "the program gives no catalog", retryable=False)
        named = [item for item in found if isinstance(item, dict) and isinstance(item.get("name"), str)]
        return {(item.get("namespace"), item["name"]): item for item in named}


class _Reading:
    """One run of a connector: its streams, and what they come to."""

    def __init__(self, source: AirbyteSource, offered: Mapping[Key, dict[str, Any]], state: State) -> None:
        self._source = source.source
        self._tables: dict[Key, dict[str, AirbyteTable]] = {}
        for name, table in source.tables.items():
            self._tables.setdefault(_key(source.source, name, table, offered), {})[name] = table
        self.streams = {
            key: Stream(key[1], tables, state.before.get(next(iter(tables))), batch=state.batch)
            for key, tables in self._tables.items()
        }
        self._offered = Counter(name for _, name in offered)
        self._whole_where_states_are_shared()
        self.catalog = [_configured(source.source, offered[key], tables) for key, tables in self._tables.items()]
        self._levels: Counter[str] = Counter()

    @property
    def before(self) -> Any:
        """The states to go on from, as the protocol takes them."""
        found = [stream.before for stream in self.streams.values() if stream.before is not None]
        if found and found[0].get("type") == "LEGACY":
            return found[0].get("data")
        return [*found[:1]] if found and found[0].get("type") == "GLOBAL" else found

    def take(self, received: bytes, message: Mapping[str, Any]) -> Iterator[Arrival]:
        """What a message comes to."""
        _told(self._source, message, {name for _, name in self.streams})
        kind = message["type"]
        if kind == "RECORD":
            said = message.get("record")
            if not isinstance(said, dict) or not isinstance(said.get("stream"), str) or "data" not in said:
                raise failed(self._source, "the program sent a record without a stream or data", retryable=False)
            if stream := self._stream(said.get("namespace"), said["stream"]):
                yield from stream.add(received, said["data"])
        elif kind == "STATE":
            # numbers have to come back as numbers
            self._reached(json.loads(received).get("state"))
        elif kind == "LOG":
            self._levels[str(at(message, "log.level"))] += 1
        elif kind not in _MEANINGLESS:
            raise failed(self._source, "the program sent a message of an unknown kind", retryable=False)

    def end(self, state: State) -> Iterator[Arrival]:
        """What is left when the program has ended, and its states."""
        for stream in self.streams.values():
            yield from stream.flush()
            stream.settle(state)
        if found := {level: self._levels[level] for level in ("WARN", "ERROR", "FATAL") if self._levels[level]}:
            counts = ", ".join(f"{count} of level {level}" for level, count in found.items())
            _LOGGER.warning("source `%s`: the program logged %s", self._source, counts)

    def _stream(self, namespace: Any, name: str) -> Stream | None:
        """The stream that is called so, if it is declared; where only one has the name, its namespace says nothing.

        Raises:
            EnvironmentFailure: E001, no stream is called so.
        """
        if name not in self._offered:
            why = "the program sent records of a stream that it does not offer"
            raise failed(self._source, why, retryable=False)
        alone = self._offered[name] == 1
        return next(
            (held for key, held in self.streams.items() if key[1] == name and (alone or key[0] == namespace)), None
        )

    def _reached(self, said: Any) -> None:
        if not isinstance(said, dict):
            raise failed(self._source, "the program sent a state message without a state", retryable=False)
        if said.get("type") == "STREAM":
            namespace, name = (at(said, f"stream.stream_descriptor.{key}") for key in ("namespace", "name"))
            if stream := self._stream(namespace, name) if name in self._offered else None:
                stream.reached({"type": "STREAM", "stream": said["stream"]})
            return
        shared = {name: said[name] for name in ("type", "global") if name in said}
        for stream in self.streams.values():
            stream.reached(shared if said.get("type") == "GLOBAL" else {"type": "LEGACY", "data": said.get("data")})

    def _whole_where_states_are_shared(self) -> None:
        """Where one state is of all streams, a stream without it cannot be read on beside others that have it."""
        read_on = [stream for stream in self.streams.values() if stream.incremental]
        shared = [stream for stream in read_on if stream.before and stream.before.get("type") != "STREAM"]
        if shared and len(shared) < len(read_on):
            for stream in read_on:
                stream.forget()


def _told(source: str, message: Mapping[str, Any], streams: Set[str] = frozenset()) -> None:
    """Fail where the program says that it did; its words stay unread."""
    if message["type"] == "CONNECTION_STATUS" and at(message, "connectionStatus.status") == "FAILED":
        raise failed(source, "the program cannot connect with this `config`", retryable=False)
    if message["type"] != "TRACE":
        return
    kind, name = at(message, "trace.error.failure_type"), at(message, "trace.error.stream_descriptor.name")
    if at(message, "trace.type") == "ERROR":
        of = f" in stream `{name}`" if isinstance(name, str) and name in streams else ""
        why = {"config_error": "a wrong `config`", "transient_error": "possibly a temporary problem"}.get(
            str(kind), "its own"
        )
        raise failed(source, f"the program reports an error{of}: {why}", retryable=kind != "config_error")
    if at(message, "trace.stream_status.status") == "INCOMPLETE":
        name = at(message, "trace.stream_status.stream_descriptor.name")
        of = f" `{name}`" if isinstance(name, str) and name in streams else ""
        raise failed(source, f"the program did not finish reading stream{of}")


def _key(source: str, name: str, table: AirbyteTable, offered: Mapping[Key, Any]) -> Key:
    """The offered stream a table is of."""
    wanted = table.stream or name
    found = [key for key in offered if key[1] == wanted and table.namespace in (None, key[0])]
    if len(found) == 1:
        return found[0]
    known = sorted({offer for _, offer in offered})
    why = "several streams of that name; give its `namespace`" if found else "no such stream"
    failure = failed(source, f"the program offers {why}: `{wanted}`", retryable=False)
    failure.allowed = ", ".join(known[:20])
    failure.hint = did_you_mean(wanted, known) or "`stream` in the table names the stream to read"
    raise failure


def _configured(source: str, stream: dict[str, Any], tables: Mapping[str, AirbyteTable]) -> dict[str, Any]:
    """A stream as the protocol asks for it."""
    table = next(iter(tables.values()))
    modes = stream.get("supported_sync_modes") or ["full_refresh"]
    if table.sync_mode not in modes:
        why = f"stream `{stream['name']}` does not support `sync_mode: {table.sync_mode}`"
        failure = failed(source, why, retryable=False)
        failure.allowed = ", ".join(str(mode) for mode in modes)
        raise failure
    cursor = table.cursor or stream.get("default_cursor_field") or []
    return {
        "stream": stream,
        "sync_mode": table.sync_mode,
        "destination_sync_mode": "append" if table.sync_mode == "incremental" else "overwrite",
        "cursor_field": cursor if table.sync_mode == "incremental" else [],
        "primary_key": stream.get("source_defined_primary_key") or [],
    }
