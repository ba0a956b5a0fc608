"""The learning system: completed trainings as NDJSON, to be served page by page (see server.py).

People are known there by the work address they had at that time, and by nothing else.
Entry: TrainingWriter.month.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.defects import PLACEHOLDER_EMAIL, TRAININGS, doubled, final_places, scatter
from potable.estate.draws import Ints, between
from potable.estate.history import Month, Trainings
from potable.estate.render import (
    body,
    edit,
    iso_moments,
    join,
    json_escaped,
    pieces,
    put,
    take,
    tenths,
    whole,
)
from potable.estate.truth import numbered
from potable.estate.world import DAY, World

KINDS = ("course", "certificate", "workshop")
_TITLES = (
    (
        "Data protection basics",
        "Working with spreadsheets",
        "First aid",
        "Python for analysts",
        "Phishing & fraud",
    ),
    (
        "ISO 27001 Lead Auditor",
        "Scrum Master",
        "Cloud Practitioner",
        "Forklift licence",
        "PRINCE2 Foundation",
    ),
    ("Giving feedback", 'The "difficult" talk', "Negotiation", "Design thinking", "Public speaking"),
)
_BLOCK = 50_000


class TrainingWriter:
    """Appends to the listing as the months pass."""

    def __init__(self, world: World, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._world = world
        self._sink = (directory / "trainings.ndjson").open("wb")
        self._titles = json_escaped(pa.array([title for titles in _TITLES for title in titles]))
        self._next_id = 1
        self.records = self.source_bytes = 0

    def month(self, month: Month) -> None:
        """Writes the trainings of one month."""
        for number, rows in enumerate(pieces(len(month.trainings.stint), _BLOCK)):
            part = Trainings(*(column[rows] for column in vars(month.trainings).values()))
            self._block(self._world.stream("lms", month.index, number), part)

    def close(self) -> None:
        """Closes the listing."""
        self._sink.close()

    def _block(self, rng: np.random.Generator, part: Trainings) -> None:
        world, size = self._world, len(part.stint)
        order = np.argsort(part.day, kind="stable")
        part = Trainings(*(column[order] for column in vars(part).values()))
        marks = scatter(rng, size, TRAININGS)
        done = part.day * DAY + between(rng, 8 * 60, 18 * 60, size) * 60
        recorded = np.minimum(done + between(rng, 0, 3, size) * DAY + 900, world.calendar.end * DAY - 1)
        late = marks["late"] = marks["late"][part.day[marks["late"]] + 202 < world.calendar.end]
        recorded[late] = done[late] + between(rng, 70, 200, len(late)) * DAY
        course = 5 * part.kind + between(rng, 0, 4, size)
        email = _spoil_email(rng, json_escaped(world.email(part.stint, part.day)), marks)
        hours = put(tenths(part.hours), marks["hours_negative"], "-5")
        completed = join('"', iso_moments(done, "T", "Z"), '"')
        lines = join(
            '{"id": ',
            whole(self._next_id + np.arange(size)),
            ', "user": {"email": ',
            email,
            '}, "course": {"code": "',
            join("LMS-", whole(100 + course)),
            '", "title": "',
            take(self._titles, course),
            '", "kind": "',
            take(pa.array(KINDS), part.kind),
            '"}, "hours": ',
            put(hours, marks["hours_mistyped"], '"n/a"'),
            ', "score": ',
            whole(part.score),
            ', "completed_at": ',
            put(completed, marks["no_date"], "null"),
            ', "recorded_at": "',
            iso_moments(recorded, "T", "Z"),
            '"}\n',
        )
        self._next_id += size
        self._write(rng, lines, marks, part.stint)

    def _write(self, rng: np.random.Generator, lines: pa.Array, marks: dict[str, Ints], stints: Ints) -> None:
        truth, place, size = self._world.truth, ("lms", "trainings"), len(stints)
        order, copies = doubled(rng, size, marks["twice"])
        first = self.records + final_places(order, size)
        person = self._world.person(stints)
        for kind in ("orphan", "no_email", "email_placeholder"):
            person[marks[kind]] = -1
        truth.records(place, numbered("", self.records + np.arange(len(order))), person[order])
        for kind, rows in marks.items():
            where = self.records + copies if kind == "twice" else first[rows]
            truth.bad(place, numbered("", where), TRAININGS[kind])
        text = body(take(lines, order))
        self._sink.write(text)
        self.records += len(order)
        self.source_bytes += len(text)


def _spoil_email(rng: np.random.Generator, email: pa.Array, marks: dict[str, Ints]) -> pa.Array:
    lost = marks["orphan"]
    email = put(email, lost, join("guest", whole(between(rng, 1000, 99_999, len(lost))), "@partner.example"))
    email = put(email, marks["email_placeholder"], PLACEHOLDER_EMAIL)
    case = marks["email_case"]
    email = put(email, case, pc.utf8_title(take(email, case)))
    email = edit(email, marks["email_blanks"], (" ", " "))
    return put(join('"', email, '"'), marks["no_email"], "null")
