"""External programs that print records as lines of JSON: how they are started, read, watched and ended.

A program gets its configuration in files of a private folder that is removed with it, never on its command line.
Its output is never quoted in a message, for it may repeat records and credentials. What the lines mean belongs to
`airbyte` and `singer`.

Entry: `run`; `lines` for what is no message.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import Field, SecretStr, field_validator

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.sources.records import read_json

_PIECE = 1 << 16
_LONGEST = 64 << 20
"""Bytes a line may have."""
_TURN = 0.5
"""Seconds between two checks whether the run still wants the output."""
_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_FOLDER = "potable-connector-"
_LEFT = 600.0
"""Seconds after which the folder of a run that is gone may be removed; runs of other machines may share the place."""
_CONTAINERS = ("docker", "podman", "nerdctl")
_PASSED = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "JAVA_HOME", "LD_LIBRARY_PATH")
_PASSED_FAMILIES = ("LC_", "DOCKER_", "SSL_CERT_", "REQUESTS_CA_")


class Program(Declaration):
    """A program to run."""

    command: str | list[str] = Field(repr=False)
    """An executable, or a whole command line. A path with a slash starts at the project folder; any other is looked for
    in `PATH`. A container (`[docker, run, --rm, -i, image]`) gets the folder with its files mounted."""
    environment: dict[str, SecretStr] = Field(default_factory=dict)
    """Environment variables it gets in addition to those for language, path and network; secrets by reference."""
    timeout: float = Field(default=600.0, gt=0)
    """Longest time without output, in seconds."""
    longest: float = Field(default=86_400.0, gt=0)
    """Longest run time in seconds."""

    @field_validator("command")
    @classmethod
    def _not_empty(cls, value: str | list[str]) -> str | list[str]:
        if not value or not (value if isinstance(value, str) else value[0]).strip():
            raise ValueError("write the name of an executable, or a list that begins with one")
        return value

    def line(self, base: Path, folder: Path, arguments: Sequence[str]) -> list[str]:
        """The command line, for files in `folder`."""
        first, *rest = [self.command] if isinstance(self.command, str) else self.command
        if "/" in first:
            first = str((base / Path(first).expanduser()).absolute())
        if Path(first).name in _CONTAINERS and "run" in rest:
            at = rest.index("run") + 1
            # the files can be read by us only, so the container has to be us
            user = [] if {"-u", "--user"} & set(rest) else ["--user", f"{os.getuid()}:{os.getgid()}"]
            rest[at:at] = ["--volume", f"{folder}:{folder}:ro", *user]
        return [first, *rest, *arguments]

    def variables(self) -> dict[str, str]:
        """Its environment; ours may hold the credentials of other sources."""
        ours = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED or name.startswith(_PASSED_FAMILIES) or name.lower().endswith("_proxy")
        }
        given = {name: value.get_secret_value() for name, value in self.environment.items()}
        return {**ours, "PYTHONUNBUFFERED": "1", **given}


@contextmanager
def private() -> Iterator[Path]:
    """A folder only this user may look into, removed at the end; what a killed run left is removed too."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError, ValueError):
            run_by = int(left.name.removeprefix(_FOLDER).partition("-")[0])
            old = time.time() - left.stat().st_mtime > _LEFT
            if old and left.stat().st_uid == os.getuid() and not psutil.pid_exists(run_by):
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        yield Path(folder)


def write(folder: Path, name: str, value: Any) -> str:
    """Path of a new file with `value` as JSON, or as it is where it is bytes, readable by this user only."""
    path = folder / name
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return str(path)


Wanted = Callable[[], object]
"""Called now and then; raises when the run wants no more output."""


def run(
    source: str, program: Program, line: Sequence[str], *, base: Path, wanted: Wanted
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The messages a program says until it ends well, as received and read.

    Args:
        source: name of the source, for messages.
        program: what is declared of it.
        line: its whole command line.
        base: the folder it runs in.
        wanted: asked while it says nothing, too.

    Raises:
        EnvironmentFailure: E001, as `lines` does, or it says what is no JSON object with a type.
    """
    for received in lines(source, program, line, base=base, wanted=wanted):
        yield received, _read(source, received)


def lines(source: str, program: Program, line: Sequence[str], *, base: Path, wanted: Wanted) -> Iterator[bytes]:
    """The lines a program says until it ends well; it is ended when nobody wants more.

    Raises:
        EnvironmentFailure: E001, it cannot be started, fails, is killed, or does not end.
    """
    try:
        process = subprocess.Popen(
            line,
            cwd=base,
            env=program.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as trouble:
        raise failed(source, f"the program cannot be started ({type(trouble).__name__})", retryable=False) from None
    with process:
        try:
            watch = _Watch(source, process, program, wanted)
            yield from watch.lines()
            _check(source, watch.ended())
        finally:
            _end(process)


class _Watch:
    """Reads the output of a program within its time limits; stderr is read and discarded."""

    def __init__(self, source: str, process: subprocess.Popen[bytes], program: Program, wanted: Wanted) -> None:
        self._source, self._process, self._program, self._wanted = source, process, program, wanted
        self._heard = time.monotonic()
        self._until = self._heard + program.longest

    def lines(self) -> Iterator[bytes]:
        """Its lines, each without its end; the last one needs none where it is whole."""
        rest = bytearray()
        for piece in self._pieces():
            before = len(rest)
            rest += piece
            if b"\n" in piece:
                *whole, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                yield from (line for line in whole if line.strip())
            elif before > _LONGEST:
                raise failed(
                    self._source, f"the program sent a line of more than {_LONGEST >> 20} MiB", retryable=False
                )
        if rest.strip():
            # a program that failed says so better
            _check(self._source, self.ended())
            yield bytes(rest)

    def ended(self) -> int:
        """Its exit code; a program that has closed its outputs may still run, for as long as its time-out."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(min(_TURN, self._program.timeout))
            self._wanted()
            self._in_time(False)

    def _pieces(self) -> Iterator[bytes]:
        assert self._process.stdout and self._process.stderr
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ, True)
            selector.register(self._process.stderr, selectors.EVENT_READ, False)
            while selector.get_map():
                ready = selector.select(min(_TURN, self._program.timeout))
                self._wanted()
                self._in_time(bool(ready))
                for key, _ in ready:
                    piece = os.read(key.fd, _PIECE)
                    if not piece:
                        selector.unregister(key.fileobj)
                    elif key.data:
                        yield piece

    def _in_time(self, said: bool) -> None:
        now = time.monotonic()
        if now >= self._until:
            raise failed(self._source, f"the program did not end within {self._program.longest:g} s")
        if said:
            self._heard = now
        elif now - self._heard >= self._program.timeout:
            raise failed(self._source, f"the program sent nothing for {self._program.timeout:g} s")


def _read(source: str, line: bytes) -> dict[str, Any]:
    try:
        found = read_json(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise failed(source, "the program sent something that is not a message", retryable=False)
    return found


def _check(source: str, code: int) -> None:
    if code < 0:
        with suppress(ValueError):
            raise failed(source, f"the program was killed ({signal.Signals(-code).name})")
    if code:
        raise failed(source, f"the program failed (exit code {code})")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started; one that has ended may have left something."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)


def failed(source: str, why: str, *, retryable: bool = True) -> EnvironmentFailure:
    """The error for a program that gives no data; `why` must not quote what it says."""
    return EnvironmentFailure(
        f"source `{source}`: {why}",
        "E001",
        hint="check `command` and `config`; the program's own output may contain records and credentials, so it is "
        "never shown: run it by hand to see it",
        state="nothing was landed from this source; the last version stays current",
        next="potable run",
        retryable=retryable,
    )
