"""Kinesis streams, read in batches like Kafka's topics: from the last batch's sequence numbers to the run's start.

State and objects are in one manifest; no lease table is kept. Shards that were split or merged are read to their end
before their successors. The landed form and its parsing are `streams`.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, SecretStr

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.sources.landed import Arrival, Held
from potable.sources.messages import Chunk, Message, gone
from potable.sources.onwards import State
from potable.sources.streams import StreamSource, StreamTable

_AT_ONCE = 5000
_ATTEMPTS = 10
_REFUSED = (
    "AccessDenied",
    "UnrecognizedClient",
    "InvalidSignature",
    "ExpiredToken",
    "InvalidClientToken",
)


class KinesisTable(StreamTable):
    """A table of the records of a stream; `@partition` is the shard, `@offset` the sequence number (a text)."""

    stream: str
    """Name of the stream."""
    value: Literal["json"] = "json"
    """Format of values."""
    key: Literal["text", "json"] = "text"
    """Format of partition keys."""

    @property
    def stream_name(self) -> str:
        """The stream."""
        return self.stream


class AccessKey(Declaration):
    """A key of AWS."""

    access_key_id: str = Field(repr=False)
    """Id of the key, by reference."""
    secret_access_key: SecretStr
    """The key, by reference."""
    session_token: SecretStr | None = None
    """Token of a temporary key, by reference."""


class KinesisSource(StreamSource[KinesisTable]):
    """Kinesis data streams of one account and region."""

    region: str
    """Region of the streams."""
    endpoint: str | None = None
    """URL of the service, if it is not AWS's own."""
    access: AccessKey | None = None
    """Credentials, by reference; those of the machine (environment, profile, role) by default."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for an answer."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("region", "endpoint", "access"))
    snapshot: ClassVar[bool] = True
    forgets: ClassVar[bool] = True

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """What every stream got since the last time, in objects of consecutive records of one shard."""
        state = state or State()
        try:
            client = _client(self)
            for name, table in self.tables.items():
                stream = _Stream(client, table)
                read = Positions.of(self.source, table, stream, state.before.get(name))
                for shard, parents in stream.shards.items():
                    if shard in read.done or not read.done.issuperset(set(parents) & stream.shards.keys()):
                        continue
                    for found in _chunks(stream, table, shard, read):
                        label = f"{name}-{state.batch:06d}-{shard}-{found.first:056d}.ndjson"
                        yield Arrival(label, (name,), Held(found.data()))
                state.moved |= read.moved
                state.after[name] = read.state(table.stream)
        except (BotoCoreError, ClientError) as refused:
            _fail(self.source, refused)


def _client(source: KinesisSource) -> Any:
    # their loudest words hold requests with their headers
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    key = source.access
    try:
        return boto3.session.Session().client(
            "kinesis",
            region_name=source.region,
            endpoint_url=source.endpoint,
            aws_access_key_id=key and key.access_key_id,
            aws_secret_access_key=key and key.secret_access_key.get_secret_value(),
            aws_session_token=key and key.session_token and key.session_token.get_secret_value(),
            config=Config(
                connect_timeout=source.timeout,
                read_timeout=source.timeout,
                retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            ),
        )
    except ValueError:
        raise EnvironmentFailure(
            f"source `{source.source}`: the `endpoint` or `region` is not valid", "E007", next="potable doctor"
        ) from None


class _Stream:
    """A stream as it is when reading begins."""

    def __init__(self, client: Any, table: KinesisTable) -> None:
        self._client, self._name = client, table.stream
        told = client.describe_stream_summary(StreamName=self._name)
        summary = told["StreamDescriptionSummary"]
        self.start = parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"])
        """The service's time: what arrives later is read by the next run."""
        self.made = summary["StreamCreationTimestamp"].astimezone(UTC).isoformat()
        """When it was created; another one of the same name was created at another time."""
        self.keeps = timedelta(hours=summary["RetentionPeriodHours"])
        self.shards: dict[str, tuple[str, ...]] = {}
        """Shards with those they came of, which stand before them."""
        self._closed: set[str] = set()
        for page in client.get_paginator("list_shards").paginate(StreamName=self._name):
            for shard in sorted(page["Shards"], key=lambda item: str(item["ShardId"])):
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                self.shards[shard["ShardId"]] = tuple(filter(None, parents))
                if shard["SequenceNumberRange"].get("EndingSequenceNumber"):
                    self._closed.add(shard["ShardId"])

    def records(self, shard: str, after: str | None) -> Iterator[Message | None]:
        """The records of a shard behind a sequence number, up to the start; then None if none will ever follow."""
        where = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
            if after
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        iterator = self._client.get_shard_iterator(StreamName=self._name, ShardId=shard, **where)["ShardIterator"]
        while iterator:
            page = self._client.get_records(ShardIterator=iterator, Limit=_AT_ONCE)
            for record in page["Records"]:
                if record["ApproximateArrivalTimestamp"] >= self.start:
                    return
                yield _message(shard, record)
            iterator = page.get("NextShardIterator")
            if not page["Records"] and not page.get("MillisBehindLatest"):
                break
        if not iterator or shard in self._closed:
            yield None


def _chunks(stream: _Stream, table: KinesisTable, shard: str, read: Positions) -> Iterator[Chunk]:
    """The records of a shard in objects; what was read is noted in `read`."""
    chunk = Chunk(table, table.stream, None)
    for message in stream.records(shard, read.after.get(shard)):
        if message is None:
            read.done.add(shard)
            read.moved = True
            break
        chunk.add(message)
        read.after[shard] = str(message.offset)
        if chunk.full:
            yield chunk
            chunk = Chunk(table, table.stream, None)
    if chunk.messages:
        yield chunk


@dataclass
class Positions:
    """How far the shards of a stream were read."""

    origin: str
    resumed: bool
    until: str
    """Moment up to which everything was read."""
    after: dict[str, str] = field(default_factory=dict)
    """Last sequence number read, by shard."""
    done: set[str] = field(default_factory=set)
    """Shards that are closed and read to their end."""
    lost: dict[str, list[list[str]]] = field(default_factory=dict)
    """Between which moments records may have been deleted unread."""
    moved: bool = False

    @classmethod
    def of(cls, source: str, table: KinesisTable, stream: _Stream, before: Any) -> Self:
        """What the last batch left; nothing when it read another stream.

        Raises:
            EnvironmentFailure: E009, the stream keeps its records for less time than went by.
        """
        origin = hashlib.sha256(f"{table.stream}\0{stream.made}".encode()).hexdigest()[:16]
        until = stream.start.astimezone(UTC).isoformat()
        if not isinstance(before, Mapping) or before.get("stream") != table.stream:
            return cls(origin, False, until)
        # a service does not say what it deleted, only for how long it keeps
        first = stream.start - stream.keeps
        lost = copy.deepcopy(before["lost"])
        anew = before["origin"] != origin
        if anew or datetime.fromisoformat(before["until"]) < first:
            if table.lost == "fail":
                why = "was recreated" if anew else f"keeps records for {stream.keeps}"
                raise gone(source, f"`{table.stream}` {why}, but was last read at {before['until']}")
            lost.setdefault(table.stream, []).append([before["until"], first.astimezone(UTC).isoformat()])
        if anew:
            return cls(origin, True, until, lost=lost)
        # a moment that is never renewed would look like a loss in the end
        aged = stream.start - datetime.fromisoformat(before["until"]) > stream.keeps / 4
        known = {shard: str(number) for shard, number in before["offsets"].items() if shard in stream.shards}
        return cls(origin, True, until, known, set(before["done"]) & stream.shards.keys(), lost, aged)

    def state(self, stream: str) -> dict[str, Any]:
        """What to go on from, as JSON."""
        return {
            "origin": self.origin,
            "stream": stream,
            "resumed": self.resumed,
            "until": self.until,
            "offsets": dict(sorted(self.after.items())),
            "done": sorted(self.done),
            "lost": self.lost,
            "restarts": {},
        }


def _message(shard: str, record: Mapping[str, Any]) -> Message:
    arrived = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
    return Message(shard, int(record["SequenceNumber"]), arrived, record["PartitionKey"].encode(), record["Data"])


def _fail(source: str, refused: BotoCoreError | ClientError) -> NoReturn:
    code = refused.response["Error"]["Code"] if isinstance(refused, ClientError) else type(refused).__name__
    denied = code.startswith(_REFUSED) or code in ("NoCredentialsError", "PartialCredentialsError")
    absent = code == "ResourceNotFoundException"
    why = "refused the credentials" if denied else "has no such stream" if absent else "did not answer"
    raise EnvironmentFailure(
        f"source `{source}`: Kinesis {why} ({code})",
        "E001",
        hint="check `stream`, `region` and `access` in the source's file",
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=not (denied or absent),
    ) from None
