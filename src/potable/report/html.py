"""The report: a run's record as one HTML file that needs nothing else, on screen, phone and paper.

No script, no font, no request: a content security policy in the page forbids them. Numbers and
sentences come from `view` and `numbers`, drawings from `charts`. Entry: `render`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from potable.report import charts, checks, health, numbers, view
from potable.runs.record import UNFINISHED, RunRecord

_FOLDER = Path(__file__).parent
_RECENT = 12
"""Earlier runs listed."""
_CONTROL = re.compile(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")
"""What HTML does not allow: a name from a broken header may hold it."""


def render(record: RunRecord, *, history: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report of a run as a complete HTML page.

    Args:
        history: stored records of earlier runs, oldest first; the newest are listed.
    """
    template = _environment().get_template("template.html.j2")
    earlier = view.earlier(history, _RECENT)
    page = template.render(
        record=record, data=record.dataset, earlier=earlier, older=len(history) - len(earlier), history=history
    )
    return _CONTROL.sub("\ufffd", page)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        view=view, charts=charts, checks=checks, health=health, recent=_RECENT, unfinished=UNFINISHED
    )
    environment.filters.update(
        size=numbers.human_bytes,
        count=numbers.human_count,
        seconds=numbers.human_seconds,
        moment=numbers.human_time,
        ranked=view.ranked,
        shortly=view.shortly,
        words=view.words,
        breakable=_breakable,
        coded=_coded,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    environment.globals.update(plural=numbers.plural, share=numbers.share)
    return environment


def _coded(text: str) -> Markup:
    """A sentence with its `names` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _breakable(name: str) -> Markup:
    """A name that may be broken after its dots and underscores."""
    return Markup(re.sub(r"([._:,])", r"\1<wbr>", str(escape(name))))
