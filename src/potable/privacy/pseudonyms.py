"""Pseudonyms: a keyed MAC over the random subject id that the vault holds.

The key is derived from the vault's key for one dataset and one epoch, so pseudonyms of two datasets do
not join, and raising the epoch renews them all. Without the vault nobody can compute or undo them; the
result is pseudonymous, not anonymous.

Entry: `pseudonyms`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from potable.engines.base import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

BUCKET_ROWS, MOST_BUCKETS = 2_000_000, 64
"""Validated rows, over all tables, that are worth a bucket of their own, and buckets there are at most."""
_MAC_BYTES = 16
_BUCKET_BYTES = 8


@dataclass(frozen=True)
class PseudonymKey:
    """The key of one dataset and epoch; never shown."""

    secret: bytes = field(repr=False)

    @classmethod
    def derive(cls, vault_key: bytes, *, dataset: str, epoch: int) -> Self:
        """The key of `dataset` in `epoch`, derived from the vault's 32 bytes by keyed BLAKE2b (RFC 7693)."""
        if len(vault_key) < 32:
            raise ValueError("the vault key must have 32 bytes")
        name = f"{len(dataset)}:{dataset}:{epoch}".encode()
        return cls(hashlib.blake2b(name, key=vault_key[:64], person=b"potable-derive").digest()[:32])

    def pseudonym(self, subject: str) -> str:
        """The pseudonym of a subject id, 32 hexadecimal digits."""
        mac = hashlib.blake2b(subject.encode(), digest_size=_MAC_BYTES, key=self.secret, person=b"potable-subject")
        return mac.hexdigest()


@dataclass(frozen=True)
class _Renamed:
    """A batch of subject ids with their pseudonyms and buckets."""

    key: PseudonymKey
    buckets: int

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        subjects = batch.column(0).to_pylist()
        names = [self.key.pseudonym(subject) for subject in subjects]
        buckets = [int(name[: 2 * _BUCKET_BYTES], 16) % self.buckets for name in names]
        return pa.record_batch([subjects, names, buckets], schema=schema())


def buckets(rows: float) -> int:
    """A power of two that leaves about `BUCKET_ROWS` of so many validated rows in each bucket."""
    return int(min(MOST_BUCKETS, 1 << max(0, (int(rows) // BUCKET_ROWS).bit_length())))


def schema() -> pa.Schema:
    """Schema of the pseudonyms: subject, pseudonym, bucket."""
    import pyarrow as pa

    return pa.schema([("subject", pa.string()), ("pseudonym", pa.string()), ("bucket", pa.int64())])


def pseudonyms(keys: ir.Table, key: PseudonymKey, *, buckets: int, engine: Engine) -> ir.Table:
    """The pseudonym and bucket of every rostered subject, as a relation that can be consumed once.

    Args:
        keys: (namespace, value, subject, rostered).
        key: key of the dataset and epoch.
        buckets: number of buckets the protected zone is split into.
        engine: runs it.
    """
    subjects = keys.filter(keys.rostered & keys.subject.notnull()).select("subject").distinct()
    return engine.map_batches(subjects, _Renamed(key, buckets), schema())
