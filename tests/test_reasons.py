"""Why a store refuses is told by its code, its host and the kind of failure, and by nothing that may be secret."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url
from tests.sources.web import Answer, Server

from potable.reasons import lasting, why

KEY = "AKIAXYZXYZXYZ-canary"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError("Read-only file system (os error 30)"), "the file system is read-only"),
        (OSError("permission: os error 30"), "the file system is read-only"),
        (OSError(28, "No space left on device"), "no space left on the device"),
        (GenericError("Unable to open file: Permission denied (os error 13)"), "permission denied"),
        (GenericError("<Code>a person's name</Code>"), "GenericError"),
        (PermissionDeniedError("<Error><Code>InvalidAccessKeyId</Code>"), "permission denied (InvalidAccessKeyId)"),
        (UnauthenticatedError("PUT https://h:9/b?sig=x status code: 401"), "`h:9` refused the credentials"),
        (GenericError("http://169.254.169.254/latest/api/token in 1ms"), "there are no credentials: neither"),
        # what a place is called is no reason
        (
            GenericError("PUT https://h/permission-read-only/raw - HTTP error: error sending request"),
            "no answer from `h`",
        ),
        (GenericError("PUT https://me:word@h/b - HTTP error: error sending request"), "no answer from `h`"),
    ],
)
def test_a_failure_is_told_in_plain_words(failure: Exception, told: str) -> None:
    assert why(failure).startswith(told)
    assert "word" not in why(failure) and "sig" not in why(failure)


@pytest.fixture
def silent() -> Iterator[str]:
    """A place that takes connections and says nothing."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(1)
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def asked(endpoint: str, **options: Any) -> Exception:
    """What comes of reading from a bucket there."""
    keys = {"access_key_id": KEY, "secret_access_key": KEY, "region": "us-east-1", "endpoint": endpoint}
    wait = timedelta(seconds=0.5)
    patience: Any = {"max_retries": 0, "retry_timeout": wait}
    client: Any = {"timeout": wait, "connect_timeout": wait, "allow_http": True, **options}
    store = from_url("s3://lake", config=keys, client_options=client, retry_config=patience)
    with pytest.raises(Exception) as caught:
        obstore.get(store, "raw/a")
    assert KEY not in why(caught.value)
    return caught.value


def error(code: str, more: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{KEY}</Message>{more}</Error>".encode()


ANSWERS: dict[str, tuple[Answer, str, bool]] = {
    "region": (
        (400, {}, error("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
        "the bucket is in another region, eu-west-1 (AuthorizationHeaderMalformed)",
        True,
    ),
    "elsewhere": ((301, {}, error("PermanentRedirect")), "the bucket is in another region", True),
    "expired": ((400, {}, error("ExpiredToken")), "the credentials have expired (ExpiredToken)", True),
    "denied": ((403, {}, error("AccessDenied")), "permission denied (AccessDenied)", True),
    "keys": ((401, {}, b""), "HOST refused the credentials", True),
    "busy": ((503, {}, error("SlowDown")), "HOST answers with HTTP 503 (SlowDown)", False),
    "another": ((400, {}, error("KMS.DisabledException")), "HOST answers with HTTP 400 (KMS.DisabledException)", True),
    "no code": ((500, {}, b"<html>"), "HOST answers with HTTP 500", False),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_is_told_with_the_code_of_the_store(server: Server, what: str) -> None:
    answer, told, stays = ANSWERS[what]
    server.handle = lambda path, query: answer
    server.answers = [answer]
    failure = asked(server.url)
    assert why(failure) == told.replace("HOST", f"`{server.url.removeprefix('http://')}`")
    assert "127.0.0.1" not in why(failure, place=False)
    assert lasting(failure) == stays


def test_no_answer_is_told_with_the_host_and_the_cause(server: Server, silent: str) -> None:
    host = server.url.removeprefix("http://")
    assert why(asked("http://127.0.0.1:1")) == "no answer from `127.0.0.1:1` (connection refused)"
    assert why(asked(silent)) == f"no answer from `{silent.removeprefix('http://')}` (time is over)"
    assert why(asked(f"https://{host}")) == f"no answer from `{host}` (it does not speak TLS: is it `http://`?)"
    told = why(asked(server.url, allow_http=False))
    assert told == f"`{host}` would be reached without TLS, which has to be allowed: `AWS_ALLOW_HTTP=true`"
