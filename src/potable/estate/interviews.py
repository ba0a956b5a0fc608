"""Exit interviews: one Word document for most people who left of their own will or were dismissed.

Column names are the labels of the form; the free text is everything below the form and the heading
(see docx.py for how it reads back). Entry: write_interviews.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate import phrases as said
from potable.estate.defects import IMPOSSIBLE_DATE, INTERVIEWS, MISTYPED, scatter
from potable.estate.docx import document
from potable.estate.draws import Floats, Ints, between, chance, pick
from potable.estate.render import edit, iso_days, join, pieces, put, take, whole
from potable.estate.texts import Style, Texts, cast, compose, phrases, tell
from potable.estate.workforce import KINDS
from potable.estate.world import World

TITLE = "Exit interview"
LABELS = (
    "Employee name",
    "Employee number",
    "E-mail",
    "Interview date",
    "Primary reason",
    "Would recommend us",
    "Would return",
)
REASONS = (
    "Better pay elsewhere",
    "Workload",
    "No prospects",
    "Leadership",
    "Way to work",
    "Private reasons",
    "Dismissed",
)
SHARE = 0.6
_SECOND = 0.03
_BLOCK = 5_000
_PARAGRAPHS = Style(phrases(said.EXIT_PLAIN, said.EXIT_NAMED), 0.45, (" ", "\n", "\v"), (0.45, 0.5, 0.05))


@dataclass
class Interviews:
    """What was written."""

    files: int = 0
    source_bytes: int = 0
    stored_bytes: int = 0


def exit_reasons(world: World, stints: Ints) -> Ints:
    """Index into REASONS of the main reason each leaver gives: the strongest grievance, mostly."""
    force, rng = world.force, world.stream("reasons")
    noise: Floats = rng.gumbel(size=(6, force.people.stints))[:, stints]
    far = np.where(force.remote[stints], 0, force.commute[stints])
    grievance = np.array(
        [
            -8 * np.log(force.pay_factor[stints]),
            0.12 * (force.overtime[stints] - 8),
            0.6 * (2 - force.rating[stints]),
            1.2 * (1.5 - force.satisfaction[stints]),
            0.04 * (far - 20.0),
            np.zeros(len(stints)),
        ]
    )
    return np.where(force.kind[stints] == KINDS.index("involuntary"), 6, np.argmax(grievance + noise, axis=0))


def write_interviews(world: World, directory: Path) -> Interviews:
    """Writes all documents into a directory.

    Returns:
        Number of documents, bytes of their uncompressed main parts, bytes on disk.
    """
    directory.mkdir(parents=True, exist_ok=True)
    force, done = world.force, Interviews()
    stints = np.flatnonzero((force.kind >= 0) & (force.kind <= 1))
    rng = world.stream("interviews")
    stints = stints[chance(rng, SHARE, len(stints))]
    # within the last two weeks; those of next year are not held yet
    days = force.left[stints] - between(rng, 0, 13, len(stints))
    held = (days < world.calendar.end) & (days > force.hired[stints])
    stints, days = stints[held], days[held]
    again = np.flatnonzero(chance(rng, _SECOND, len(stints)) & (days + 1 < world.calendar.end))
    number = np.r_[np.ones(len(stints), np.int64), np.full(len(again), 2)]
    stints, days = np.r_[stints, stints[again]], np.r_[days, days[again] + 1]
    for at, rows in enumerate(pieces(len(stints), _BLOCK)):
        _block(world, directory, at, (stints[rows], days[rows], number[rows]), done)
    return done


def _block(world: World, directory: Path, at: int, who: tuple[Ints, Ints, Ints], done: Interviews) -> None:
    stints, days, number = who
    rng, size, place = world.stream("interview", at), len(stints), ("exit_interviews", "exit_interviews")
    marks = scatter(rng, size, INTERVIEWS, at_least=1 if at == 0 else 0)
    people = cast(world, stints, world.force.manager[stints], days)
    texts = compose(rng, _PARAGRAPHS, people, group=np.zeros(size, np.int64), count=between(rng, 5, 9, size))
    names = join("exit_", world.emp_no(stints), "_", whole(number), ".docx")
    world.truth.records(place, names, world.person(stints))
    for kind, rows in marks.items():
        world.truth.bad(place, take(names, rows), INTERVIEWS[kind])
    tell(world.truth, place, "text", names, texts)
    form = _form(world, rng, (stints, days), marks)
    cuts = between(rng, 3, 17, size * 4).reshape(size, 4).tolist()
    for name, values, text, runs in zip(names.to_pylist(), form, _plain(texts), cuts, strict=True):
        data, source = document(TITLE, list(zip(LABELS, values, strict=True)), text, runs)
        (directory / name).write_bytes(data)
        done.files += 1
        done.source_bytes += source
        done.stored_bytes += len(data)


def _plain(texts: Texts) -> list[str]:
    return [str(text) for text in texts.text.to_pylist()]


def _form(
    world: World, rng: np.random.Generator, when: tuple[Ints, Ints], marks: dict[str, Ints]
) -> Iterator[tuple[str, ...]]:
    """The values of the form, row by row."""
    stints, days = when
    size = len(stints)
    happy = np.clip((world.force.satisfaction[stints] - 1.5) / 5 + 0.5, 0.1, 0.9)
    number, email, date = world.emp_no(stints), world.email(stints, days), iso_days(days)
    number = edit(put(number, marks["no_emp_no"], ""), marks["emp_no_blanks"], (" ", " "))
    case = marks["email_case"]
    answers = pa.array(["No", "Yes", "Maybe"])
    columns = (
        world.full_name(stints, days),
        number,
        put(email, case, pc.utf8_upper(take(email, case))),
        put(date, marks["date_impossible"], IMPOSSIBLE_DATE),
        take(pa.array(REASONS), exit_reasons(world, stints)),
        take(answers, np.where(chance(rng, happy, size), 1, pick(rng, [8, 0, 2], size))),
        put(take(answers, pick(rng, [5, 3, 2], size)), marks["answer_mistyped"], MISTYPED),
    )
    return zip(*(column.to_pylist() for column in columns), strict=True)
