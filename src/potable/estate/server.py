"""The learning system's REST interface over the listing made by lms.py.

    GET /api/v1/trainings?limit=500&cursor=…&recorded_since=2025-12-01T00:00:00Z      Authorization: Bearer …
    {"data": [ … ], "next_cursor": "…" | null}
`recorded_since` leaves out what was recorded before it; records that tell no such time are always given.
401 for a wrong token, 404 for anything else, 400 for a bad cursor or limit; about every fortieth page is
answered 429 with Retry-After, never twice running for one cursor. Entry: serve.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

import numpy as np

from potable.estate.draws import Ints

FAULTS = ("drop_mid_page", "status_500", "malformed", "slow")
SLOW_SECONDS = 1.5
MAX_LIMIT = 1000
_EVERY = 40
_LONG_WAITS = 5
"""At most this many Retry-After of one second (each fifth 429); the others say 0."""
_PATH = "/api/v1/trainings"
_RECORDED = re.compile(rb'"recorded_at": ?"([^"]*)"')


class Listing:
    """The NDJSON file with the offset of every line, read without a shared position."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._ends = _line_ends(path)
        self._selected: dict[str, Ints] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ends)

    def page(self, first: int, limit: int) -> bytes:
        """Up to `limit` records from a 0-based position, separated by commas."""
        last = min(first + limit, len(self._ends)) - 1
        if last < first:
            return b""
        begin = int(self._ends[first - 1]) + 1 if first else 0
        raw = os.pread(self._file, int(self._ends[last]) - begin, begin)
        return raw.replace(b"\n", b",\n")

    def since(self, moment: str) -> Selected:
        """The records recorded at `moment` (ISO 8601, UTC) or later, and those that do not say when."""
        with self._lock:
            if moment not in self._selected:
                self._selected[moment] = self._recorded(moment.encode())
        return Selected(self, self._selected[moment])

    def _recorded(self, moment: bytes) -> Ints:
        found = []
        with open(self._file, "rb", closefd=False) as lines:
            lines.seek(0)
            for place, line in enumerate(lines):
                told = _RECORDED.search(line)
                if told is None or told[1] >= moment:
                    found.append(place)
        return np.array(found, np.int64)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


class Selected:
    """Some records of a listing, as a listing."""

    def __init__(self, listing: Listing, places: Ints) -> None:
        self._listing = listing
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def page(self, first: int, limit: int) -> bytes:
        """Up to `limit` records from a 0-based position, separated by commas."""
        return b",\n".join(self._listing.page(int(place), 1) for place in self._places[first : first + limit])


def _line_ends(path: Path) -> Ints:
    found, place = [np.zeros(0, dtype=np.int64)], 0
    with path.open("rb") as source:
        while block := source.read(1 << 24):
            found.append(np.flatnonzero(np.frombuffer(block, np.uint8) == 10) + place)
            place += len(block)
    return np.concatenate(found)


class Pace:
    """Counts page requests and says what happens to each."""

    def __init__(self, faults: Mapping[str, int]) -> None:
        unknown = set(faults) - set(FAULTS)
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}; allowed: {', '.join(FAULTS)}")
        self._faults = {number: name for name, number in faults.items()}
        self._lock = threading.Lock()
        self._requests = self._refusals = 0
        self._refused: str | None = None

    def next(self, cursor: str) -> tuple[str, int]:
        """What the next page request gets: ("page", 0), a fault, or ("wait", Retry-After seconds)."""
        with self._lock:
            self._requests += 1
            if self._requests in self._faults:
                return self._faults[self._requests], 0
            if self._requests % _EVERY == 0 and cursor != self._refused:
                self._refused = cursor
                self._refusals += 1
                long = self._refusals % 5 == 0 and self._refusals <= 5 * _LONG_WAITS
                return "wait", int(long)
            self._refused = None
            return "page", 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, listing: Listing, token: str, pace: Pace) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.listing, self.token, self.pace = listing, token, pace


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # a page and its header leave in one segment train, without waiting for acknowledgements
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answers one request."""
        parts = urlsplit(self.path)
        offered = self.headers.get("Authorization", "")
        if parts.path != _PATH:
            self._answer(404, b'{"error": "not found"}')
        elif not hmac.compare_digest(offered.encode(), f"Bearer {self.server.token}".encode()):
            self._answer(401, b'{"error": "unauthorized"}')
        else:
            self._page(parse_qs(parts.query))

    def _page(self, query: dict[str, list[str]]) -> None:
        cursor = query.get("cursor", [""])[0]
        try:
            first, limit = _position(cursor), int(query.get("limit", ["100"])[0])
        except ValueError:
            return self._answer(400, b'{"error": "bad cursor or limit"}')
        since = query.get("recorded_since", [""])[0]
        listing = self.server.listing.since(since) if since else self.server.listing
        if not 1 <= limit <= MAX_LIMIT or not 0 <= first <= len(listing):
            return self._answer(400, b'{"error": "bad cursor or limit"}')
        what, seconds = self.server.pace.next(cursor)
        if what == "wait":
            return self._answer(429, b'{"error": "too many requests"}', {"Retry-After": str(seconds)})
        if what == "status_500":
            return self._answer(500, b'{"error": "internal error"}')
        body = _body(listing, first, limit)
        if what == "slow":
            time.sleep(SLOW_SECONDS)
        if what == "malformed":
            body = body[: len(body) * 2 // 3]
        self._answer(200, body, cut=what == "drop_mid_page")

    def _answer(self, status: int, body: bytes, more: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet: addresses and cursors are nobody's business on a terminal."""


def _position(cursor: str) -> int:
    """The 0-based record a cursor stands for; ValueError for one we did not give out."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("bad cursor") from error
    kind, _, number = text.partition(":")
    if kind != "after" or not number.isdecimal():
        raise ValueError("bad cursor")
    return int(number)


def _body(listing: Listing | Selected, first: int, limit: int) -> bytes:
    last = first + limit
    cursor = base64.urlsafe_b64encode(f"after:{last}".encode()).decode() if last < len(listing) else None
    return b'{"data": [' + listing.page(first, limit) + b'], "next_cursor": ' + json.dumps(cursor).encode() + b"}"


class Running:
    """A server that answers in its own thread until closed."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.listing.close()

    def wait(self) -> None:
        """Blocks until the server's thread ends."""
        self._thread.join()


@contextmanager
def serve(
    directory: str | Path, *, port: int = 0, token: str | None = None, faults: Mapping[str, int] | None = None
) -> Iterator[str]:
    """Serves the learning system of an estate on 127.0.0.1; gives its base URL.

    Args:
        directory: What `make` wrote to.
        port: 0 takes a free one.
        token: Bearer token; by default the one in estate.env.
        faults: Name in FAULTS → the n-th page request it strikes (1-based, refused ones counted):
            `drop_mid_page` closes the connection within a body, `status_500` fails, `malformed` sends
            broken JSON, `slow` answers after SLOW_SECONDS.

    Raises:
        ValueError: An unknown fault.
    """
    from potable.estate.environment import read_environment

    known = token if token is not None else read_environment(Path(directory))["LMS_TOKEN"]
    pace = Pace(faults or {})
    listing = Listing(Path(directory) / "lms" / "trainings.ndjson")
    with Running(_Server(port, listing, known, pace)) as running:
        yield running.url
