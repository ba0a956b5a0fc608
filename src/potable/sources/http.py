"""Requests to an HTTP service: rate limits, retries with jitter, tokens that expire.

Permanent refusals (4xx) fail at once; temporary failures (no answer, a body that is cut off or unreadable, 408, 429,
5xx) are retried, in bounded attempts and bounded waiting. Which page comes
next is the business of `pagination`. No URL, header or body enters a message: they may hold secrets.

Entry: `Service.get`; `Service.open` for bodies that are too large to hold.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import Field

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.sources.credentials import ApiKey, Basic, Bearer, ClientCredentials, Login, OAuth2, headers, query
from potable.sources.deadlines import Deadline
from potable.sources.records import read_json

LONGEST_WAIT = 60.0
"""Seconds of one pause, at most."""
_FIRST_WAIT = 0.2
_LARGEST_PAGE = 256 << 20
_SLOWEST = 20
"""An answer may take this many times `timeout` altogether; a server that drips bytes is given up."""
_MARGIN = 30.0
"""Seconds before its end from which a token is not used any more."""
_HINT = "check `url` and `auth` in the source's file, and that the service is up"
_REDIRECTED = (
    "declare the address that the service redirects to: often another scheme or host, or the same with or without a "
    "slash at the end"
)
_NOT_THERE = (
    "check the address and `params`; if the service refuses the page behind the last one, declare the pagination's "
    "`total`, or follow its links"
)
_HINTS = {
    **dict.fromkeys((400, 404, 410, 416, 422), _NOT_THERE),
    204: "the service has no content where something should be; if that is how an API writes an empty list, declare "
    "`optional: true` for the table",
}
_PACKED = ("", "identity", "gzip", "deflate")
_TAKEN = frozenset({200})
_NOTHING = 204
_PASSING = frozenset({408, 425, 429})
P = TypeVar("P")


class Pace(Declaration):
    """How fast and how often a service may be asked."""

    requests_per_second: float | None = Field(default=None, gt=0)
    """Largest number of requests per second; no limit by default."""
    reset_header: str | None = None
    """Header in which the server sends when its rate limit ends, such as `X-RateLimit-Reset`: Unix time or seconds."""
    attempts: int = Field(default=6, ge=1, le=20)
    """How often a page is requested before the run gives up."""
    patience: float = Field(default=600.0, ge=0)
    """Longest time to wait for one page in seconds, including all pauses."""


class _Refused(Exception):
    """The service refuses the credentials."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Service:
    """An HTTP service: one client, its connections kept, its credentials and its pace."""

    def __init__(
        self,
        source: str,
        url: str,
        auth: Bearer | Basic | ApiKey | OAuth2 | None,
        *,
        timeout: float,
        pace: Pace,
        wanted: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            source: name of the source, for messages.
            url: of the service.
            auth: credentials.
            timeout: seconds to wait for an answer.
            pace: how fast and how often to ask.
            wanted: asked before it is asked again; raises when nobody wants an answer any more.

        Raises:
            EnvironmentFailure: E001, the URL is none or no header can carry the credentials.
        """
        self._source, self._auth, self._pace, self._timeout, self._wanted = source, auth, pace, timeout, wanted
        self._token, self._expires, self._next = "", 0.0, 0.0
        self._deadline = Deadline(wanted)
        self._watched = {"trace": self._deadline.trace}
        # they log every URL, and one may hold a key
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            self.url = httpx.URL(url)
            if self.url.scheme not in ("http", "https") or not self.url.host:
                raise ValueError
            if self.url.userinfo and auth is None:
                self._auth = Basic(basic=Login(user=self.url.username, password=self.url.password))
            self.url = self.url.copy_with(userinfo=b"")
            headers(self._auth, "token")
            packed = {"Accept-Encoding": "gzip, deflate"}
            self._client = httpx.Client(timeout=timeout, verify=_trust(), headers=packed)
        except (httpx.InvalidURL, ValueError):
            why = "`url` is not a URL, or the token contains characters that are not allowed in a header"
            raise failure(source, why, retryable=False) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def below(self, endpoint: str) -> httpx.URL:
        """URL of an endpoint below the service's."""
        try:
            path = f"/{endpoint.lstrip('/')}" if endpoint else ""
            found = httpx.URL(str(self.url.copy_with(query=None)).rstrip("/") + path)
            return found.copy_merge_params(self.url.params)
        except httpx.InvalidURL:
            raise failure(self._source, "`url` is not a valid URL", retryable=False) from None

    def get(
        self,
        url: httpx.URL,
        name: str,
        read: Callable[[bytes, httpx.Headers], P],
        *,
        statuses: frozenset[int] = _TAKEN,
    ) -> P:
        """What `read` makes of the answer.

        Args:
            url: what is asked for, without credentials.
            name: what messages call it.
            read: reads a body and headers; raises ValueError, with a reason that quotes nothing, where asking
                again may help.
            statuses: the statuses of answers that `read` takes.

        Raises:
            EnvironmentFailure: E001 after the last attempt, or at once when asking again cannot help.
        """

        return self._signed(url, {}, lambda request: self._patiently(request, name, read, statuses))

    def get_if_any(
        self, url: httpx.URL, name: str, read: Callable[[bytes, httpx.Headers], P], *, statuses: frozenset[int] = _TAKEN
    ) -> P | None:
        """The same, and None where the service says that there is nothing (204)."""

        def ask(request: Callable[[], httpx.Request]) -> tuple[int, httpx.Headers, bytes | None]:
            status, received, body = self._asked(request)
            return status, received, None if status == _NOTHING else body

        def known(body: bytes | None, received: httpx.Headers) -> P | None:
            return None if body is None else read(body, received)

        taken = statuses | {_NOTHING}
        return self._signed(url, {}, lambda request: self._patiently(request, name, known, taken, ask=ask))

    def open(
        self, url: httpx.URL, name: str, *, headers: Mapping[str, str], statuses: frozenset[int] = _TAKEN
    ) -> httpx.Response:
        """The answer, its body unread; whoever asks closes it.

        Redirections are followed, but not with a key in a header of its own, which is not for another host.

        Raises:
            EnvironmentFailure: E001 after the last attempt, or at once when asking again cannot help.
        """
        follow = not (isinstance(self._auth, ApiKey) and self._auth.param is None)

        def ask(request: Callable[[], httpx.Request]) -> tuple[int, httpx.Headers, httpx.Response]:
            answer = self._client.send(self._paced(request), stream=True, follow_redirects=follow)
            if self.url.scheme == "https" != answer.url.scheme:
                answer.close()
                why = f"the server redirects `{name}` to an address without TLS"
                raise failure(self._source, why, retryable=False)
            if answer.status_code not in statuses:
                answer.close()
            return answer.status_code, answer.headers, answer

        def kept(answer: httpx.Response, received: httpx.Headers) -> httpx.Response:
            return answer

        return self._signed(url, headers, lambda request: self._patiently(request, name, kept, statuses, ask=ask))

    def in_time(self) -> AbstractContextManager[None]:
        """What is read meanwhile of the body of an answer comes in time, or ends with an `httpx.ReadTimeout`."""
        return self._deadline.within(_SLOWEST * self._timeout)

    def _signed(
        self, url: httpx.URL, more: Mapping[str, str], answered: Callable[[Callable[[], httpx.Request]], P]
    ) -> P:
        """What comes of requests that prove who asks, with one new token where the old one ended before its time."""

        def request() -> httpx.Request:
            signed = url.copy_merge_params(query(self._auth))
            told = {**more, **headers(self._auth, self._bearer())}
            return self._client.build_request("GET", signed, headers=told, extensions=self._watched)

        try:
            return answered(request)
        except _Refused as refused:
            status = refused.status
        if status == 401 and isinstance(self._auth, OAuth2):
            self._token = ""
            try:
                return answered(request)
            except _Refused as refused:
                status = refused.status
        raise failure(self._source, f"the server refused the credentials (HTTP {status})", retryable=False) from None

    def _bearer(self) -> str:
        """The token in use, asked for where there is none or its time is over."""
        if not isinstance(self._auth, OAuth2):
            return ""
        if not self._token or time.monotonic() >= self._expires:
            self._token, lasts = self._granted(self._auth.oauth2)
            self._expires = time.monotonic() + lasts - min(_MARGIN, lasts / 2)
        return self._token

    def _granted(self, client: ClientCredentials) -> tuple[str, float]:
        """A new token, and the seconds it lasts."""

        def request() -> httpx.Request:
            url, told, watched = client.token_url, client.headers, self._watched
            return self._client.build_request("POST", url, data=client.form, headers=told, extensions=watched)

        try:
            return self._patiently(request, "the token endpoint", _granted)
        except _Refused as refused:
            why = f"the token endpoint refused the client (HTTP {refused.status})"
            raise failure(self._source, why, retryable=False) from None

    def _patiently(
        self,
        request: Callable[[], httpx.Request],
        name: str,
        read: Callable[[Any, httpx.Headers], P],
        statuses: frozenset[int] = _TAKEN,
        *,
        ask: Callable[[Callable[[], httpx.Request]], tuple[int, httpx.Headers, Any]] | None = None,
    ) -> P:
        waited, tried, status, why, asked = 0.0, 0, 0, "", None
        while tried < self._pace.attempts:
            if tried:
                pause = _wait(tried, asked)
                if waited + pause > self._pace.patience:
                    break
                self._wanted()
                time.sleep(pause)
                waited += pause
            tried, begun = tried + 1, time.monotonic()
            try:
                # each may take what time is left, and what one piece of it may take in any case
                most = min(_SLOWEST * self._timeout, max(self._pace.patience - waited, self._timeout))
                with self._deadline.within(most):
                    status, received, body = (ask or self._asked)(request)
                asked = self._told(status, received)
                if status in statuses:
                    return read(body, received)
                why = f"HTTP {status}"
            except httpx.HTTPError as trouble:
                status, asked, why = 0, None, f"no answer ({type(trouble).__name__})"
            except ValueError as trouble:
                asked, why = None, str(trouble)
            waited += time.monotonic() - begun
            self._passing(status, name)
        raise failure(self._source, f"gave up after {tried} {'attempt' if tried == 1 else 'attempts'}: {why}")

    def _passing(self, status: int, name: str) -> None:
        """Refuse an answer that asking again will not change."""
        if status in (401, 403):
            raise _Refused(status)
        if status in (0, 200) or status in _PASSING or status >= 500:
            return
        hint = _REDIRECTED if 300 <= status < 400 else _HINTS.get(status, _HINT)
        raise failure(self._source, f"HTTP {status} for `{name}`", retryable=False, hint=hint)

    def _asked(self, request: Callable[[], httpx.Request]) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body of one request; no more of a body than a page may have."""
        built = self._paced(request)
        body = bytearray()
        response = self._client.send(built, stream=True)
        try:
            # packed twice, a few bytes are gigabytes before they can be counted
            if response.headers.get("Content-Encoding", "identity").strip().lower() not in _PACKED:
                why = "an answer is compressed in a way that was not asked for"
                raise failure(self._source, why, retryable=False)
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _LARGEST_PAGE:
                    why = f"a page is larger than {_LARGEST_PAGE >> 20} MiB; ask for fewer records per page"
                    raise failure(self._source, why, retryable=False)
        finally:
            response.close()
        return response.status_code, response.headers, bytes(body)

    def _paced(self, request: Callable[[], httpx.Request]) -> httpx.Request:
        """A request, when its time has come."""
        try:
            built = request()
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise failure(self._source, "an address in the source's file is not a valid URL", retryable=False) from None
        if self._pace.requests_per_second:
            now = time.monotonic()
            if self._next > now:
                time.sleep(self._next - now)
                self._deadline.put_off(self._next - now)
            self._next = max(now, self._next) + 1 / self._pace.requests_per_second
        return built

    def _told(self, status: int, received: httpx.Headers) -> float | None:
        """Seconds the server asks to wait, if it does; many tell of their limit with every answer."""
        names = {429: ("Retry-After", self._pace.reset_header), 503: ("Retry-After",)}.get(status, ())
        return next((_seconds(received[name]) for name in names if name and name in received), None)


@cache
def _trust() -> ssl.SSLContext:
    """The machine's certificates; reading them takes longer than a request."""
    return httpx.create_ssl_context()


def _wait(attempt: int, asked: float | None) -> float:
    """Seconds to pause: what the server asks for, or anything up to a bound that doubles."""
    longest = min(LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1))
    return random.uniform(0, longest) if asked is None else min(asked, LONGEST_WAIT)


def _seconds(told: str) -> float | None:
    """Seconds from now: told as such, as Unix time (in seconds or milliseconds), or as an HTTP date."""
    now = datetime.now(UTC)
    with suppress(ValueError):
        number = float(told)
        if number > 1e9:
            number = (number / 1000 if number > 1e11 else number) - now.timestamp()
            number = max(0.0, number)
        return number if 0 <= number < 1e9 else None
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(told) - now).total_seconds())
    return None


def _granted(body: bytes, received: httpx.Headers) -> tuple[str, float]:
    found: Any = read_json(body)
    token = found.get("access_token") if isinstance(found, dict) else None
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        raise ValueError("the token endpoint sent no token")
    try:
        return token, max(0.0, float(found.get("expires_in") or 3600))
    except (TypeError, ValueError):
        return token, 3600.0


def failure(source: str, why: str, *, retryable: bool = True, hint: str = _HINT) -> EnvironmentFailure:
    """The error for a service that gives no data; `why` must not quote a URL, a header or a body."""
    return EnvironmentFailure(
        f"source `{source}`: {why}",
        "E001",
        hint=hint,
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=retryable,
    )
