"""A small S3 server whose connections break before or after it did what it was asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Break = Literal["before", "after", "conflict", ""]


@dataclass
class Breaking:
    """What it holds, and how its next writes break."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    puts: int = 0


@contextmanager
def breaking() -> Iterator[Breaking]:
    """The server, up and running."""
    made = Breaking()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            made.puts += 1
            how = made.breaks.pop(0) if made.breaks else ""
            there = self.path in made.objects and self.headers.get("If-None-Match") == "*"
            if how == "conflict":
                return self.give(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
            if not there and how != "before":
                made.objects[self.path] = data
            if how:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return self.connection.close()
            self.give(412 if there else 200, b"")

        def do_GET(self) -> None:
            data = made.objects.get(self.path)
            self.give(404 if data is None else 200, data or b"")

        def give(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Length": str(len(body)),
                "ETag": '"x"',
                "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
