"""Who wants a run to end before its time, by Ctrl-C or by the signal with which machines end processes.

Entry: `stoppable` around all that may be interrupted, `stopped` to ask whether it was.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_came: list[int] = []


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
