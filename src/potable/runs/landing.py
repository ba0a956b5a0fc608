"""Sources landed side by side, and the tables of each validated as soon as it is there.

Most of landing is waiting: for pages, for an API that wants to be asked more slowly. Meanwhile the run works on what it
has. What went wrong is kept for the runner, which tells it when the step's turn has come, so that one run fails as the
next does, whichever source was faster.

Entry: `land_all`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from potable.contracts.drift import CHANGED
from potable.engines.freed import give_back
from potable.errors import PotableError
from potable.runs.perform import Running, failing, perform
from potable.runs.plan import Step, validate_steps
from potable.runs.record import State, StepRecord
from potable.runs.stopping import leave
from potable.sources.ingest import Landing, ingest
from potable.store.log import in_turn

_PAUSE = 0.1
"""Seconds from one word on how a landing goes to the next."""
_LAST_WORDS = 15.0
"""Seconds in which landings end that nobody wants any more; programs get ten."""


def land_all(running: Running, steps: Sequence[Step], *, fresh: bool, then: Callable[[str], None]) -> None:
    """Land the sources, `then` called with the name of each that is there.

    When one fails, the others are landed all the same, and the first failure in declared order is raised.

    Args:
        steps: of ingest.
        fresh: whether sources are read from the beginning.
    """
    shop = running.shop
    pool = ThreadPoolExecutor(shop.project.platform.threads)
    landings = {pool.submit(_land, running, step, fresh=fresh): step for step in steps}
    try:
        for landing in as_completed(landings):
            if landing.exception() is None:
                then(landings[landing].name)
    except BaseException:
        running.interrupted.set()
        pool.shutdown(wait=False, cancel_futures=True)
        leave(landings, patience=_LAST_WORDS)
        raise
    pool.shutdown()
    for landing in landings:
        landing.result()
    shop.landed = {step.name: shop.landed[step.name] for step in steps}
    give_back()


def validate_early(running: Running, source: str, tables: Sequence[str], *, again: bool) -> None:
    """Validate those of `tables` that are of a landed source; what fails is kept in `running.failures`.

    Args:
        again: whether tables that were validated are validated once more, which must give the same.
    """
    shop = running.shop
    mine = [name for name in tables if name.split(".", 1)[0] == source]
    for step in validate_steps(shop.project, shop.landed, mine) if shop.landed[source] else ():
        try:
            perform(running, step, make=True, again=again)
        except PotableError as failure:
            running.failures[step.label] = failure
            # a source that changed changed in other tables too
            if failure.code != CHANGED:
                return


def _land(running: Running, step: Step, *, fresh: bool) -> None:
    shop, begun, mark = running.shop, time.monotonic(), running.watched.mark()
    running.tell(step, "started", StepRecord("ingest", step.label, "started"))
    received = 0
    told = begun

    def progress(_: int, size: int) -> None:
        nonlocal received, told
        if running.interrupted.is_set():
            raise KeyboardInterrupt
        received += size
        # hundreds of thousands may stand as they are, and nobody can read that fast
        if time.monotonic() < told + _PAUSE:
            return
        told = time.monotonic()
        running.tell(step, "progress", StepRecord("ingest", step.label, "progress", new_bytes=received))

    landing = Landing(shop.lake.restricted, shop.lake.batches(step.name))
    with failing(running, step):
        # what another run landed meanwhile is not landed again
        made = in_turn(
            lambda: ingest(
                shop.project.sources[step.name],
                landing,
                base=shop.project.root,
                threads=shop.project.platform.threads,
                progress=progress,
                fresh=fresh,
            )
        )
    running.changed |= bool(made.new_objects)
    shop.landed[step.name], shop.batches[step.name] = made.objects, made.batch
    state: State = "done" if made.new_objects else "skipped"
    seconds, held = round(time.monotonic() - begun, 3), running.watched.since(mark)
    ended = StepRecord("ingest", step.label, state, seconds=seconds, bytes=made.bytes, memory=held)
    running.add(step, replace(ended, new_bytes=made.new_bytes))
