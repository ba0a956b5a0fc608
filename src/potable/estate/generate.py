"""Makes an estate: runs the years once and lets every system write its part as they pass.

Entry: make.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from potable.estate.calendar import Calendar
from potable.estate.database import open_database
from potable.estate.defects import PEOPLE, scatter
from potable.estate.draws import stream
from potable.estate.environment import write_environment
from potable.estate.history import History
from potable.estate.hrms import write_hrms
from potable.estate.interviews import write_interviews
from potable.estate.lms import TrainingWriter
from potable.estate.mail import build_mailbook
from potable.estate.payroll import PayrollWriter
from potable.estate.people import build_people
from potable.estate.reviews import ReviewWriter
from potable.estate.roster import tell_roster
from potable.estate.truth import Truth
from potable.estate.world import World, Written


@dataclass(frozen=True)
class Estate:
    """What was made and where it is."""

    directory: Path
    truth: Path
    """Folder of the Parquet files with the ground truth."""
    environment: dict[str, str]
    """The lines of estate.env."""
    systems: tuple[Written, ...]
    truth_rows: dict[str, int]
    seconds: float

    @property
    def source_bytes(self) -> int:
        """Uncompressed bytes of all systems."""
        return sum(system.source_bytes for system in self.systems)

    @property
    def records(self) -> int:
        """Records of all systems."""
        return sum(system.records for system in self.systems)


class _Clock:
    """Adds up the seconds spent per system."""

    def __init__(self) -> None:
        self.start = self._last = time.perf_counter()
        self.spent: dict[str, float] = {}

    def lap(self, system: str) -> None:
        now = time.perf_counter()
        self.spent[system] = self.spent.get(system, 0.0) + now - self._last
        self._last = now


def make(
    directory: str | Path,
    *,
    employees: int = 2000,
    years: int = 20,
    seed: int = 7,
    hrms_url: str | None = None,
) -> Estate:
    """Writes five systems, estate.env and truth/ into a directory.

    The same employees, years and seed give the same bytes.

    Args:
        directory: Made if missing; files of an earlier estate are replaced.
        employees: Number of different persons who ever worked there, at least 20.
        years: Calendar years, the last one 2025; at least 2.
        seed: Any non-negative number.
        hrms_url: A `postgresql://` URL to keep the HR tables in instead of a SQLite file.

    Raises:
        ValueError: A number out of range.
    """
    if employees < 20 or not 2 <= years <= 40 or seed < 0:
        raise ValueError("employees must be at least 20, years 2 to 40, seed not negative")
    place = Path(directory)
    _clear(place)
    clock, calendar = _Clock(), Calendar(years)
    people = build_people(employees, calendar, seed)
    history = History(people, calendar, seed)
    twins = np.zeros(people.stints, dtype=np.bool_)
    # a second entry by mistake is made for first employments only
    twins[scatter(stream(seed, "twins"), employees, {"twin": PEOPLE["twin"]}, at_least=1)["twin"]] = True
    with Truth(place / "truth") as truth:
        mailbook = build_mailbook(people, calendar, seed)
        world = World(people, calendar, mailbook, history.force, truth, seed, twins)
        clock.lap("people")
        systems = _write(world, history, place, hrms_url=hrms_url, clock=clock)
        tell_roster(world)
        clock.lap("truth")
    _summarise(place, systems, truth)
    environment = write_environment(place, seed, hrms_url)
    seconds = time.perf_counter() - clock.start
    return Estate(place, place / "truth", environment, systems, truth.counts, seconds)


def _clear(place: Path) -> None:
    """Removes the files an earlier estate left in the same folders, and nothing else."""
    patterns = (
        "payroll/payroll_*.xml.gz",
        "reviews/*.csv",
        "exit_interviews/exit_*.docx",
        "hrms/hrms.sqlite",
    )
    for pattern in patterns:
        for path in place.glob(pattern):
            path.unlink()


def _write(world: World, history: History, place: Path, *, hrms_url: str | None, clock: _Clock) -> tuple[Written, ...]:
    payroll = PayrollWriter(world, place / "payroll")
    lms = TrainingWriter(world, place / "lms")
    reviews = ReviewWriter(world, place / "reviews")
    for month in history.months():
        clock.lap("people")
        payroll.month(month)
        clock.lap("payroll")
        lms.month(month)
        clock.lap("lms")
        reviews.month(month)
        clock.lap("reviews")
    payroll.close()
    clock.lap("payroll")
    lms.close()
    interviews = write_interviews(world, place / "exit_interviews")
    clock.lap("exit_interviews")
    database = open_database(place / "hrms", hrms_url)
    rows = write_hrms(world, history, database)
    size = database.close()
    clock.lap("hrms")
    kind, spent = "sqlite" if hrms_url is None else "postgres", clock.spent
    slips = (payroll.files, payroll.records, payroll.source_bytes, payroll.stored_bytes)
    forms = (reviews.files, reviews.records, reviews.source_bytes, reviews.source_bytes)
    letters = (interviews.files, interviews.files, interviews.source_bytes, interviews.stored_bytes)
    return (
        Written("hrms", kind, 1, rows, size, size, spent["hrms"]),
        Written("payroll", "xml.gz", *slips, spent["payroll"]),
        Written("lms", "rest", 1, lms.records, lms.source_bytes, lms.source_bytes, spent["lms"]),
        Written("reviews", "csv", *forms, spent["reviews"]),
        Written("exit_interviews", "docx", *letters, spent["exit_interviews"]),
    )


def _summarise(place: Path, systems: tuple[Written, ...], truth: Truth) -> None:
    """Writes truth/summary.json: counts and bytes, no times."""
    counted = {
        system.system: {name: value for name, value in asdict(system).items() if name not in ("system", "seconds")}
        for system in systems
    }
    text = json.dumps({"systems": counted, "truth": truth.counts}, indent=1, sort_keys=True)
    (place / "truth" / "summary.json").write_text(text + "\n")
