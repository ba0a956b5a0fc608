"""What a table behind an endpoint declares: where it is, where its records lie in a page, how it is read on.

Entry: `RestTable`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, field_validator, model_validator

from potable.sources.jsonpages import Sight
from potable.sources.keypaths import require_spelled
from potable.sources.nested import require_paths
from potable.sources.onwards import Incremental, IncrementalTable, Keys
from potable.sources.pagination import After, Counted, Cursor, Pagination
from potable.sources.restfiles import xml_files


class RestKeys(Keys):
    """How an endpoint is asked for all keys there are."""

    endpoint: str | None = None
    """Path below the source's `url` of a shorter list with the keys; the table's own by default."""
    params: dict[str, str | int] = Field(default_factory=dict, repr=False)
    """Query parameters in addition to those of the table, such as one that requests only the keys."""

    @field_validator("endpoint")
    @classmethod
    def _below_the_source(cls, value: str | None) -> str | None:
        return value and below_the_source(value)


class RestIncremental(Incremental):
    """How an endpoint is asked for what is new."""

    param: str
    """Query parameter for the start time; the server returns records at or after it."""
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    """strftime format of that time (UTC)."""
    keys: RestKeys | None = None
    """Read the keys of all records from time to time, to notice deleted ones; never by default."""


class RestTable(IncrementalTable):
    """A table behind an endpoint."""

    endpoint: str
    """Path below the source's `url`."""
    records: str = "data"
    """Dotted path in a page to its list of records; empty if the page itself is the list. If it leads to lists inside
    the records (`data.lines`), their elements are the records of this table: `../id` is a value of the surrounding
    record, `#` the position in the list."""
    optional: bool = False
    """Whether a page in JSON may lack the list or have null in its place, or the answer may be 204 (no content),
    because some services leave out empty lists; it then has no records."""
    record: str | None = None
    """For XML answers: path of the record element from the root; columns have paths below it, as in XML files."""
    params: dict[str, str | int] = Field(default_factory=dict, repr=False)
    """Query parameters of every request."""
    pagination: Pagination = Cursor()
    """How the next page is requested: `none`, or by cursor, Link header, link in the page, page number, offset or the
    last record."""
    incremental: RestIncremental | None = None
    """Request only what was recorded since the last run; everything each time by default."""

    @field_validator("endpoint")
    @classmethod
    def _below_the_source(cls, value: str) -> str:
        return below_the_source(value)

    @model_validator(mode="after")
    def _json_or_xml(self) -> Self:
        if self.record is None:
            (require_paths if self.outward else require_spelled)(self.columns)
            return self
        if "records" in self.model_fields_set:
            raise ValueError("give either `records` (JSON) or `record` (XML)")
        if self.incremental is not None:
            raise ValueError("`incremental` is only for JSON answers")
        if isinstance(self.pagination, After):
            raise ValueError("pagination by `after` is only for JSON answers")
        if self.optional:
            raise ValueError("`optional` is only for JSON answers; XML may always have no records")
        xml_files()[1].model_validate({"columns": self.columns, "record": self.record})
        return self

    @model_validator(mode="after")
    def _whole_lists_of_keys(self) -> Self:
        keys = self.incremental and self.incremental.keys
        if keys and isinstance(self.pagination, Counted) and self.pagination.total is None:
            raise ValueError(
                "`keys` with numbered pages needs the pagination's `total`: a record deleted meanwhile shifts the "
                "others, and one that is skipped would count as deleted"
            )
        if keys and self.outward:
            raise ValueError("`keys` is only for an endpoint's own records, but these are in lists inside them")
        return self

    @property
    def outward(self) -> bool:
        """Whether a column takes what is around a record, as those of lists inside records do."""
        return any(path == "#" or path.startswith("../") for path in self.paths)

    def sight(self, columns: Iterable[str], *, told: bool = False) -> Sight:
        """What is looked for in a page in JSON where some columns are wanted; numbers `told` apart where one asks."""
        # of lists inside records, what is looked for at once is of the records around
        wanted = {name: tuple(_own(path) for path in self.columns[name].paths(name)) for name in columns}
        apart = [name for name in wanted if told and self.columns[name].decimal == ","]
        declared = "records" in self.model_fields_set
        return Sight(self.records, wanted, apart, outward=self.outward, declared=declared, optional=self.optional)

    @property
    def beside(self) -> list[str]:
        """Paths of what is read of a page beside its records."""
        found = (getattr(self.pagination, name, None) for name in ("next", "next_link", "total", "more"))
        return [path for path in found if path]


def _own(path: str) -> str:
    """A path as seen from the record it leads into."""
    return path.rpartition("../")[2]


def below_the_source(endpoint: str) -> str:
    """`endpoint`, if it cannot lead to another server.

    Raises:
        ValueError: it can.
    """
    if "://" in endpoint or endpoint.startswith("//"):
        raise ValueError("write a path below the source's `url`, because credentials are sent there")
    return endpoint
