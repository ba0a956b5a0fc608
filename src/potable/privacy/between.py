"""The difference of two indexes of forms, between two states of the roster.

Most new identifiers bring no new form: a name in capitals, one of its parts, an id with its separators. Texts are
redacted by forms, so a form in both indexes changes no text, nor does an identifier all of whose forms are in both.

Entry: `Between`, whose methods are batch functions for `engine.map_batches`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.privacy.forms import digested, made_forms
from potable.privacy.index import Index

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from potable.privacy.lines import Flags


@dataclass(frozen=True)
class Between:
    """Two indexes; picklable."""

    before: Index
    now: Index

    def identifiers(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The identifiers (subject, kind, value) of a batch of which a form was added or removed."""
        import numpy as np
        import pyarrow as pa

        changed = np.zeros(len(batch), np.bool_)
        for rows, (digest, *_) in digested(batch):
            changed[rows[self._changed(digest)]] = True
        return batch.filter(pa.array(changed))

    def forms(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The added or removed forms of a batch of identifiers, with `forms.schema`; one may come twice."""
        import pyarrow as pa

        made = made_forms(batch)
        return made.filter(pa.array(self._changed(made.column("digest").to_numpy())))

    def _changed(self, digests: npt.NDArray[np.int64]) -> Flags:
        return ~(self.before.holds(digests) & self.now.holds(digests))
