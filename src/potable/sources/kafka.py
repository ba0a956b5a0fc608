"""Kafka topics, read in batches: from where the last batch ended to where the topic ends now, then no further.

Offsets and objects are in one manifest that is written last, so a killed landing starts again from the same offsets,
and nothing is lost or doubled. Messages are landed as received and decoded when they are parsed. The landed form and
its parsing are `streams`, the cluster is `cluster`, schemas are `registry`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from potable.sources.cluster import Cluster, Security, Span
from potable.sources.landed import Arrival, Held
from potable.sources.messages import Chunk, Schemas, gone
from potable.sources.onwards import State
from potable.sources.registry import Registry, SchemaRegistry
from potable.sources.streams import StreamSource, StreamTable


class KafkaTable(StreamTable):
    """A table of the messages of a topic."""

    topic: str
    """Name of the topic."""

    @property
    def stream_name(self) -> str:
        """The topic."""
        return self.topic


class KafkaSource(StreamSource[KafkaTable]):
    """A Kafka cluster, or what speaks its protocol."""

    brokers: str = Field(min_length=1)
    """Addresses to begin with: `host:port`, several separated by commas."""
    security: Security = Security()
    """Encryption and credentials."""
    registry: SchemaRegistry | None = None
    """Schema registry, for Avro and Protobuf."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for an answer of the brokers."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("brokers", "security", "registry"))
    snapshot: ClassVar[bool] = True
    forgets: ClassVar[bool] = True

    @model_validator(mode="after")
    def _schemas_can_be_had(self) -> Self:
        for name, table in self.tables.items():
            if table.needs_registry and self.registry is None:
                raise ValueError(f"table `{name}` has keys or values with schemas, so the source needs a `registry`")
        return self

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """What every topic got since the last time, in objects of consecutive messages of one partition."""
        state = state or State()
        with ExitStack() as open_:
            cluster = Cluster(
                self.source, self.brokers, self.security, base=base, timeout=self.timeout, wanted=state.wanted
            )
            open_.enter_context(cluster)
            schemas: Schemas | None = None
            if self.registry:
                registry = Registry(self.source, self.registry, timeout=self.timeout)
                open_.enter_context(registry.service)
                schemas = registry.definitions
            topics = sorted({table.topic for table in self.tables.values()})
            name_of, spans = cluster.spans(topics)
            ids = cluster.ids(topics)
            for name, table in self.tables.items():
                offsets = Offsets.of(self.source, table, name_of, state.before.get(name), ids.get(table.topic, ""))
                for partition, span in spans[table.topic].items():
                    span = offsets.unread(self.source, table, partition, span)
                    for found in _chunks(cluster, table, partition, span, schemas):
                        if isinstance(found, int):
                            state.moved |= found > span.first
                            offsets.next[str(partition)] = found
                            continue
                        label = f"{name}-{state.batch:06d}-{partition:05d}-{found.first:019d}.ndjson"
                        yield Arrival(label, (name,), Held(found.data()))
                state.after[name] = offsets.state()


def _chunks(
    cluster: Cluster, table: KafkaTable, partition: int, span: Span, schemas: Schemas | None
) -> Iterator[Chunk | int]:
    """The messages of a span in objects, and at last the offset read to."""
    chunk = Chunk(table, table.topic, schemas)
    if span.first >= span.end:
        yield span.first
        return
    for message in cluster.messages(table.topic, partition, span):
        if isinstance(message, int):
            if chunk.messages:
                yield chunk
            yield message
            return
        chunk.add(message)
        if chunk.full:
            yield chunk
            chunk = Chunk(table, table.topic, schemas)


@dataclass
class Offsets:
    """How far the partitions of a topic were read."""

    origin: str
    cluster: str
    resumed: bool
    next: dict[str, int] = field(default_factory=dict)
    """Offset to read next, by partition."""
    lost: dict[str, list[list[int]]] = field(default_factory=dict)
    """First and last offset of what was deleted unread, by partition."""
    restarts: dict[str, list[int]] = field(default_factory=dict)
    """Offsets that had been read when a partition began anew."""
    topic_id: str = ""
    """What the brokers call the topic as long as it is the same, whatever its name; empty where they do not tell."""

    @classmethod
    def of(cls, source: str, table: KafkaTable, cluster: str, before: Any, topic_id: str = "") -> Self:
        """What the last batch left; nothing when it read another topic.

        Args:
            topic_id: of the topic as it is now; empty where the brokers do not tell.

        Raises:
            EnvironmentFailure: E009, it read another cluster, or a topic that was deleted since, where offsets meant
                something else.
        """
        origin = hashlib.sha256(table.topic.encode()).hexdigest()[:16]
        if not isinstance(before, Mapping) or before.get("origin") != origin:
            return cls(origin, cluster, False, topic_id=topic_id)
        if cluster and before["cluster"] not in ("", cluster):
            if table.lost == "fail":
                raise gone(
                    source, f"`{table.topic}` was read from another cluster before, so its offsets are not valid here"
                )
            return cls(origin, cluster, True, {}, before["lost"], before["restarts"], topic_id)
        lost, restarts = copy.deepcopy((before["lost"], before["restarts"]))
        was = before.get("topic_id", "")
        # a topic that was made anew may already have more messages than were read of the one before
        if was and topic_id and was != topic_id:
            if table.lost == "fail":
                why = f"`{table.topic}` was deleted and recreated since it was read, so its offsets begin again"
                raise gone(source, why)
            for partition, at in before["offsets"].items():
                restarts.setdefault(partition, []).append(at)
            return cls(origin, cluster, True, {}, lost, restarts, topic_id)
        return cls(origin, cluster, True, dict(before["offsets"]), lost, restarts, topic_id or was)

    def unread(self, source: str, table: KafkaTable, partition: int, span: Span) -> Span:
        """What of a partition has not been read yet.

        Raises:
            EnvironmentFailure: E009, some of it was deleted, and the table says that this stops the run.
        """
        name, what = str(partition), f"partition {partition} of `{table.topic}`"
        # a partition that was added later has been read to its beginning
        at = self.next.get(name, 0 if self.resumed else span.first)
        if at > span.end:
            if table.lost == "fail":
                why = (
                    f"{what} was read up to offset {at:,} but now ends at {span.end:,}: the topic was recreated "
                    "or truncated"
                )
                raise gone(source, why)
            self.restarts.setdefault(name, []).append(at)
            return span
        if at < span.first:
            if table.lost == "fail":
                raise gone(source, f"offsets {at:,} to {span.first - 1:,} of {what} were deleted before they were read")
            self.lost.setdefault(name, []).append([at, span.first - 1])
        return Span(max(at, span.first), span.end)

    def state(self) -> dict[str, Any]:
        """What to go on from, as JSON."""
        return {
            "origin": self.origin,
            "cluster": self.cluster,
            "resumed": self.resumed,
            "offsets": dict(sorted(self.next.items(), key=lambda item: int(item[0]))),
            "lost": self.lost,
            "restarts": self.restarts,
            "topic_id": self.topic_id,
        }
