"""Files for people and programs outside of the lake, which are there whole or not at all.

`private` is a new one that only its owner may read. Where the system can, it has no name before it is whole, so nothing
stays of one whose writing is killed. `replacing` takes the place of one that others read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from potable.errors import EnvironmentFailure


def require_new(target: Path) -> None:
    """Nothing, where there is no such file yet.

    Raises:
        EnvironmentFailure: E002, there is.
    """
    if os.path.lexists(target):
        raise EnvironmentFailure(f"`{target.name}` exists", "E002", hint="choose another name, or remove it")


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """The file `target`, to be written, with the rights that new files have; the one there stays where the block fails.

    Raises:
        OSError: it cannot be written.
    """
    if target.is_dir():
        raise IsADirectoryError(target)
    # whoever looks for files by their ending takes no notice of it
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def private(target: Path) -> Iterator[BinaryIO]:
    """The file `target`, to be written; it appears when the block ends, and not where that fails.

    Raises:
        EnvironmentFailure: E002, it exists; E004, it cannot be written.
    """
    try:
        descriptor, name = _nameless(target.parent) or _hidden(target)
    except OSError as failure:
        raise _unwritten(target, failure) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _named(name or f"/proc/self/fd/{file.fileno()}", target)
    except FileExistsError:
        require_new(target)
        raise
    except OSError as failure:
        raise _unwritten(target, failure) from None
    finally:
        if name is not None:
            with suppress(FileNotFoundError):
                Path(name).unlink()


def _nameless(folder: Path) -> tuple[int, None] | None:
    """A new file without a name; None where there can be none."""
    flag = getattr(os, "O_TMPFILE", 0)
    try:
        return (os.open(folder, flag | os.O_RDWR, 0o600), None) if flag and Path("/proc/self/fd").is_dir() else None
    except OSError:
        return None


def _hidden(target: Path) -> tuple[int, str]:
    # for its owner only
    return tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")


def _named(name: str, target: Path) -> None:
    """Give a file its name, if nothing has it."""
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        # Python follows a link to the file only where a folder is given
        os.link(name, target, src_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        # a file system without links
        require_new(target)
        Path(name).rename(target)
    finally:
        os.close(folder)


def _unwritten(target: Path, failure: OSError) -> EnvironmentFailure:
    problem = f"`{target.name}` cannot be written ({type(failure).__name__})"
    hint = "is there such a folder, is the disk full, and may this user write there?"
    return EnvironmentFailure(problem, "E004", hint=hint)
