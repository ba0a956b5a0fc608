"""Who wants a run to end before its time, by Ctrl-C or by the signal with which machines end processes.

Entry: `stoppable` around all that may be interrupted, `stopped` to ask whether it was; `leave` for what does not hear
of it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

_came: list[int] = []
_left: list[Future[Any]] = []


@contextmanager
def stoppable() -> Iterator[None]:
    """Both signals interrupt what is done, as Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        _came.append(number)
        raise KeyboardInterrupt

    mine = threading.current_thread() is threading.main_thread()
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)} if mine else {}
    # whoever starts a process in the background may have it ignore them
    before = {sign: handler for sign, handler in before.items() if handler != signal.SIG_IGN}
    for sign in before:
        signal.signal(sign, stop)
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
        _came.clear()


def stopped(failure: BaseException | None = None) -> str:
    """The signal that came, empty where none did.

    Args:
        failure: what ended the work: an engine that is interrupted may say so in its own way.
    """
    if _came:
        return signal.Signals(_came[-1]).name
    return signal.SIGINT.name if isinstance(failure, KeyboardInterrupt) else ""


def leave(work: Collection[Future[Any]], *, patience: float) -> None:
    """Give threads time to end that were told to; whoever waits for a server that says nothing is left to it."""
    _left.extend(work)
    wait(work, timeout=patience)


def left() -> bool:
    """Whether something was left that has not ended, and would be waited for when the process ends."""
    return any(not each.done() for each in _left)
