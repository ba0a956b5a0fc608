"""A Kafka client for reading: topics, the offsets of their partitions, and their messages in order.

Read by assignment, one partition at a time, committed messages only; no consumer group is joined and no
offset committed. What has been read is remembered by whoever calls.

Entry: `Cluster`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr, model_validator

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.sources.messages import Message, gone

_AT_ONCE = 1000
"""Messages taken from the client at once."""
_LONGEST_ASKED = 10.0
"""Seconds to wait for what is not needed."""
_NO_ID = "A" * 22
_QUEUED = 16 << 10
"""KiB that the client fetches ahead."""
_REFUSED = (
    "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
)


class Security(Declaration):
    """How brokers are reached and who asks; files are relative to the project folder."""

    tls: bool = False
    """Whether connections are encrypted."""
    ca: str | None = None
    """File with the certificates to trust; the machine's by default."""
    certificate: str | None = None
    """File with the client's certificate, for brokers that ask for one."""
    private_key_file: str | None = None
    """File with the client's private key."""
    private_key_password: SecretStr | None = None
    """Password of that file, by reference."""
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism for name and password."""
    user: str | None = None
    """Name, for SASL."""
    password: SecretStr | None = None
    """Password for SASL, by reference."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.sasl) != bool(self.user and self.password):
            raise ValueError("`sasl`, `user` and `password` must be given together")
        if not self.tls and any((self.ca, self.certificate, self.private_key_file, self.private_key_password)):
            raise ValueError("certificates and keys need `tls: true`")
        if bool(self.certificate) != bool(self.private_key_file):
            raise ValueError("`certificate` and `private_key_file` must be given together")
        return self

    def settings(self, base: Path) -> dict[str, str]:
        """The client's own settings."""
        found = {
            "security.protocol": ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT"),
            "ssl.ca.location": self.ca and str(base / self.ca),
            "ssl.certificate.location": self.certificate and str(base / self.certificate),
            "ssl.key.location": self.private_key_file and str(base / self.private_key_file),
            "ssl.key.password": self.private_key_password and self.private_key_password.get_secret_value(),
            "sasl.mechanism": self.sasl,
            "sasl.username": self.user,
            "sasl.password": self.password and self.password.get_secret_value(),
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Span:
    """How far a partition reaches."""

    first: int
    """Offset of the oldest message there still is."""
    end: int
    """Offset behind the newest committed one."""


class Cluster:
    """A connection to the brokers of a source."""

    def __init__(
        self,
        source: str,
        brokers: str,
        security: Security,
        *,
        base: Path,
        timeout: float,
        wanted: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare to connect.

        Args:
            source: name of the source, for messages.
            brokers: addresses to begin with.
            security: encryption and credentials.
            base: the project folder.
            timeout: seconds to wait for brokers that say nothing.
            wanted: asked meanwhile; raises when nobody wants more.

        Raises:
            EnvironmentFailure: E007, the client does not take the settings.
        """
        self._source, self._timeout, self._wanted = source, timeout, wanted
        self._controlled = False
        self._troubles: list[str] = []
        # the client logs to stderr by default, and a broker's words may be in it
        quiet = logging.Logger("kafka")
        quiet.addHandler(logging.NullHandler())
        self._asking = {**security.settings(base), "bootstrap.servers": brokers, "client.id": "potable"}
        self._quiet = quiet
        settings: dict[str, Any] = {
            **self._asking,
            "group.id": "potable",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "check.crcs": True,
            "queued.max.messages.kbytes": _QUEUED,
            "error_cb": lambda error: self._troubles.append(error.name()),
        }
        try:
            self._consumer = ck.Consumer(settings, logger=quiet)
        except (ck.KafkaException, ValueError, TypeError) as refused:
            raise EnvironmentFailure(
                f"source `{source}`: the Kafka client rejects its settings ({type(refused).__name__})",
                "E007",
                hint="check `brokers`, and that the files named in `security` exist and belong together",
                next="potable doctor",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    def spans(self, topics: list[str]) -> tuple[str, dict[str, dict[int, Span]]]:
        """Name of the cluster, and by topic how far each of its partitions reaches.

        Raises:
            EnvironmentFailure: E001, no broker answers, credentials are refused or a topic does not exist.
        """
        try:
            # all topics, because asking for one by name may create it
            found = self._metadata()
            for topic in topics:
                if topic not in found.topics:
                    self._fail(f"there is no topic `{topic}`, or this user may not see it", retryable=False)
                if error := found.topics[topic].error:
                    self._fail_by(error.name())
            spans = {
                topic: {number: self._span(topic, number) for number in sorted(found.topics[topic].partitions)}
                for topic in topics
            }
        except ck.KafkaException as refused:
            self._fail_by(refused.args[0].name())
        self._controlled = found.controller_id in found.brokers
        return str(found.cluster_id or ""), spans

    def ids(self, topics: list[str]) -> dict[str, str]:
        """By topic, of those that `spans` found, what tells it from another one of its name; where the brokers tell."""
        # without a controller nobody answers, as of clusters that only speak the protocol
        if not self._controlled:
            return {}
        found = {}
        with suppress(ck.KafkaException, ValueError):
            client = AdminClient(self._asking, logger=self._quiet)
            told = client.describe_topics(
                ck.TopicCollection(topics), request_timeout=min(self._timeout, _LONGEST_ASKED)
            )
            for topic, answer in told.items():
                found[topic] = str(answer.result().topic_id)
        return {topic: name for topic, name in found.items() if name != _NO_ID}

    def _metadata(self) -> ck.admin.ClusterMetadata:
        """All topics; asked for in turns that grow, because the client tells of refusals only between them."""
        end, turn = time.monotonic() + self._timeout, 0.5
        while True:
            try:
                return self._consumer.list_topics(timeout=min(turn, self._timeout))
            except ck.KafkaException as trouble:
                turn *= 2
                self._consumer.poll(0)
                self._wanted()
                if time.monotonic() > end or set(self._troubles) & set(_REFUSED):
                    self._fail_by(trouble.args[0].name())

    def _span(self, topic: str, partition: int) -> Span:
        at = ck.TopicPartition(topic, partition)
        first, end = self._consumer.get_watermark_offsets(at, timeout=self._timeout)
        return Span(first, end)

    def messages(self, topic: str, partition: int, span: Span) -> Iterator[Message | int]:
        """The committed messages of a partition from `span.first` to `span.end`, and at last the offset read to.

        Raises:
            EnvironmentFailure: E001 the brokers stop answering, E009 the messages are gone.
        """
        at, heard = span.first, time.monotonic()
        self._consumer.assign([ck.TopicPartition(topic, partition, at)])
        try:
            while at < span.end:
                batch = self._batch()
                self._wanted()
                if batch:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self._timeout:
                    self._fail_by("_TIMED_OUT")
                for message in batch:
                    if error := message.error():
                        at = max(at, self._ended(error, message, topic, partition))
                    elif message.offset() < span.end:
                        at = message.offset() + 1
                        yield _message(message, partition)
                    else:
                        at = span.end
                    if at >= span.end:
                        break
        except ck.KafkaException as refused:
            self._fail_by(refused.args[0].name())
        finally:
            self._consumer.unassign()
        yield min(at, span.end)

    def _batch(self) -> list[ck.Message]:
        """What has come; asking for many at once would wait for all of them."""
        first = self._consumer.poll(0.5)
        # a message without a value is false
        return [] if first is None else [first, *self._consumer.consume(_AT_ONCE, timeout=0)]

    def _ended(self, error: ck.KafkaError, message: ck.Message, topic: str, partition: int) -> int:
        """Where a partition ends, when that is what the client says."""
        if error.code() == ck.KafkaError._PARTITION_EOF:
            return int(message.offset())
        if error.name() in ("_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"):
            raise gone(
                self._source, f"messages of `{topic}` were deleted while they were being read (partition {partition})"
            )
        # troubles of connections are the client's to mend, as long as the time lasts
        if error.fatal() or not (error.retriable() or error.name().startswith("_")):
            self._fail_by(error.name())
        return 0

    def _fail_by(self, name: str) -> NoReturn:
        """Fail for what the client calls `name`, or for a refusal it told of before."""
        refusal = next((trouble for trouble in (*self._troubles, name) if trouble in _REFUSED), None)
        if refusal:
            self._fail(f"the brokers refused the credentials ({refusal})", retryable=False)
        if not name.startswith("_"):
            self._fail(f"the brokers refused to let this user read ({name})")
        found = [item for item in reversed(self._troubles) if item != "_ALL_BROKERS_DOWN"]
        # a connection that was lost says least: it is lost again after what tells why
        trouble = next((item for item in found if item != "_TRANSPORT"), next(iter(found), name))
        self._fail(f"no broker answered ({trouble})")

    def _fail(self, why: str, *, retryable: bool = True) -> NoReturn:
        raise EnvironmentFailure(
            f"source `{self._source}`: {why}",
            "E001",
            hint="check `brokers`, `topic` and `security` in the source's file, and that the cluster is up",
            state="nothing was landed from this source; the last version stays current",
            next="potable doctor",
            retryable=retryable,
        ) from None


def _message(message: ck.Message, partition: int) -> Message:
    kind, milliseconds = message.timestamp()
    headers = [(str(name), value) for name, value in message.headers() or ()]
    known = milliseconds if kind != ck.TIMESTAMP_NOT_AVAILABLE else None
    return Message(str(partition), message.offset(), known, message.key(), message.value(), headers)
