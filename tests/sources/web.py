"""A real HTTP server that gives the answers it is told to."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], bytes]
RESET: Answer = (-1, {}, b"")
"""The connection is reset instead of an answer."""


class Server:
    """Gives its answers one after the other, and then the last again; or what `handle` makes of each request."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[dict[str, list[str]]], Answer]] = []
        self.handle: Callable[[str, dict[str, list[str]]], Answer] | None = None
        self.requests: list[tuple[str, dict[str, list[str]], str]] = []
        self.heard: list[dict[str, str]] = []
        """Headers of each request."""
        self.connections = 0
        self.hang: threading.Event | None = None
        """What a body that is shorter than its length waits for, in the middle of it."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self, body: str = "") -> None:
                url = urlsplit(self.path)
                query = parse_qs(body or url.query)
                server.requests.append((url.path, query, self.headers.get("Authorization", "")))
                server.heard.append(dict(self.headers.items()))
                if server.handle:
                    return self.give(server.handle(url.path, query))
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self.give(answer(query) if callable(answer) else answer)

            def do_POST(self) -> None:
                self.do_GET(self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace"))

            def give(self, answer: Answer) -> None:
                status, headers, body = answer
                self.close_connection = True
                if answer == RESET:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return self.connection.close()
                sized = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
                self.send_response(status)
                for name, value in {**sized, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body * (self.command != "HEAD"))
                if "Content-Length" in headers and server.hang:
                    server.hang.wait(10)
                # a length that is not the body's ends the connection
                self.close_connection = headers.keys() & {"Content-Length", "Transfer-Encoding"} != set()

            def log_message(self, *args: object) -> None:
                pass

        Handler.do_HEAD, Handler.do_PUT = Handler.do_GET, Handler.do_POST  # type: ignore[attr-defined]
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # a kept connection would keep its thread
        self._httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._httpd.server_port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._httpd.shutdown()
        self._thread.join()
        self._httpd.server_close()


@contextmanager
def dripping(told: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """URL of a server that sends what it is told to each who connects, piece by piece."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            with suppress(OSError):
                for piece in told():
                    self.request.sendall(piece)
                    time.sleep(0.01)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()
