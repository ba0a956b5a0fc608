"""A small S3 server that fails as it is told, and a source that reads from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.sources.objects import raw_zone
from tests.sources.web import Answer, Server

from potable.sources.csv import CsvSource
from potable.sources.ingest import Ingested, Landing, ingest

KEY = "AKIAXYZXYZXYZ-canary"


@cache
def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def signs(data: bytes) -> dict[str, str]:
    """Headers that tell a version."""
    return {"ETag": etag(data), "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}


class FakeS3:
    """Lists and gives what is in `objects`, unless one of its `faults` comes first."""

    def __init__(self, server: Server, objects: dict[str, bytes]) -> None:
        self.objects, self.faults, self.gets = objects, list[Answer](), list[str]()
        self.after = 0
        """Requests for objects before the first fault."""
        self.url, self._server = server.url, server
        server.handle = self._handle

    def _handle(self, path: str, query: dict[str, list[str]]) -> Answer:
        if "list-type" in query:
            return 200, {"Content-Type": "application/xml"}, self._listing(query.get("prefix", [""])[0])
        key = path.removeprefix("/lake/")
        self.gets.append(key)
        if self.faults and len(self.gets) > self.after:
            return self.faults.pop(0)
        heard = self._server.heard[-1]
        data = self.objects.get(key)
        if data is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        if heard.get("If-Match", heard.get("if-match", etag(data))) != etag(data):
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        asked = heard.get("Range") or heard.get("range") or f"bytes=0-{len(data) - 1}"
        first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
        given = {"Content-Range": f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"}
        return 206, {**given, **signs(data)}, data[first : last + 1]

    def _listing(self, prefix: str) -> bytes:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>{escape(etag(data))}</ETag>"
            "<LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


def reading(path: str, **more: Any) -> CsvSource:
    tables = {"t": {"columns": {"a": {}}}} | more.pop("tables", {})
    return CsvSource.model_validate({"source": "s", "type": "csv", "path": path, "tables": tables, **more})


def landing(folder: Path) -> Landing:
    return raw_zone(folder / "raw")


def land(folder: Path, source: CsvSource) -> Ingested:
    return ingest(source, landing(folder), base=folder)


def contents(folder: Path, source: CsvSource) -> Mapping[str, list[str]]:
    """The values of column `a` by object."""
    from tests.sources.objects import landed_rows

    found: dict[str, list[str]] = {}
    for row in landed_rows(source, landing(folder), "t"):
        found.setdefault(row["_object"], []).append(row["a"])
    return found
