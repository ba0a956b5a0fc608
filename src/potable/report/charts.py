"""Drawings of the report: inline SVG, each with a title that says the same in words.

Charts are drawn in per cent of their box instead of a view box, so their type stays crisp and equally
large at any width. Colours are classes of the style sheet. Everything returned is safe markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

from markupsafe import Markup

from potable.report.numbers import human_bytes, human_count, plural, share
from potable.runs.record import FeatureRecord, Stage

_PIPE = 120.0
"""Diameter of the pipe at its widest stage, in units of the drawing; a stage is 200 long."""
_STAGES = 5
_CLEAR = 600
"""Where the water is clear: at the end of `protected`, the first open stage."""


def bar(part: float, whole: float, *, title: str, tone: str = "") -> Markup:
    """A horizontal bar filled to `part` of `whole`."""
    width = 100 * min(part / whole, 1) if whole > 0 else 0
    # a hair's breadth stays visible: nothing and nearly nothing are different
    width = max(width, 0.8) if part > 0 else 0
    return Markup(
        '<svg class="bar {tone}" role="img"><title>{title}</title>'
        '<rect class="track" width="100%" height="100%" rx="2"/>'
        '<rect class="fill" width="{width}%" height="100%" rx="2"/></svg>'
    ).format(tone=tone, title=title, width=_short(width))


def trend(values: Sequence[float | None], title: str) -> Markup:
    """A share over runs as upright bars, the latest marked; a run that did not measure it leaves a gap."""
    highest = max((value for value in values if value is not None), default=0) or 1
    step = 100 / len(values)
    bars = Markup("").join(
        Markup('<rect class="{tone}" x="{x}%" y="{y}%" width="{width}%" height="{height}%"/>').format(
            tone="now" if index == len(values) - 1 else "fill",
            x=_short(step * index),
            y=_short(100 - max(97 * value / highest, 4)),
            width=_short(step * 0.8),
            height=_short(max(97 * value / highest, 4)),
        )
        for index, value in enumerate(values)
        if value is not None
    )
    return Markup('<svg class="trend" role="img"><title>{}</title>{}</svg>').format(title, bars)


def stack(parts: Mapping[str, int]) -> Markup:
    """One bar divided among `parts`."""
    total = sum(parts.values())
    title = ", ".join(f"{name}: {human_count(count)} ({share(count, total)})" for name, count in parts.items())
    pieces: list[Markup] = []
    left = 0.0
    for place, count in enumerate(parts.values()):
        width = 100 * count / total if total else 0
        pieces.append(
            Markup('<rect class="part-{place}" x="{x}%" width="{width}%" height="100%"/>').format(
                place=place % 6, x=_short(left), width=_short(width)
            )
        )
        left += width
    return Markup('<svg class="stack" role="img"><title>{}</title>{}</svg>').format(title, Markup("").join(pieces))


def memory(peak: int, allowed: int) -> Markup:
    """Peak memory against the setting; the setting is a line when it was exceeded."""
    scale = max(peak, allowed, 1)
    title = f"peak memory {human_bytes(peak)} of {human_bytes(allowed)} allowed"
    return Markup(
        '<svg class="memory {tone}" role="img"><title>{title}</title>'
        '<rect class="track" width="{allowed}%" height="100%" rx="3"/>'
        '<rect class="fill" width="{peak}%" height="100%" rx="3"/>'
        '<rect class="mark" x="{mark}%" width="2" height="100%"/></svg>'
    ).format(
        tone="bad" if peak > allowed else "",
        title=title,
        allowed=_short(100 * allowed / scale),
        peak=_short(100 * peak / scale),
        mark=_short(99.7 * allowed / scale),
    )


def series(labels: Sequence[str], counts: Sequence[float], *, title: str, bad: bool) -> Markup:
    """Counts in the order of time as upright bars; the newest in the colour of care where it is `bad`."""
    highest = max(counts, default=0) or 1
    step = 100 / max(len(counts), 1)
    bars = Markup("").join(
        Markup('<rect class="{tone}" x="{x}%" y="{y}%" width="{width}%" height="{height}%"/>').format(
            tone="fill newest" if bad and index == len(counts) - 1 else "fill",
            x=_short(step * index),
            y=_short(100 - _height(round(count), round(highest))),
            width=_short(step * 0.86),
            height=_short(_height(round(count), round(highest))),
        )
        for index, count in enumerate(counts)
        if count
    )
    told = f"{title}: {human_count(counts[-1])} in {labels[-1]}, at most {human_count(highest)}"
    return Markup(
        '<svg class="histogram" role="img"><title>{}</title>{}<rect class="base" y="99%" width="100%" height="1"/>'
        '</svg><p class="ends"><span>{}</span><span>{}</span></p>'
    ).format(told, bars, labels[0], labels[-1])


def distribution(feature: FeatureRecord) -> Markup:
    """The histogram of a column: of numbers upright, of words as labelled bars."""
    if not feature.counts or max(feature.counts) <= 0:
        return Markup("")
    return _words(feature) if len(feature.bins) == len(feature.counts) else _histogram(feature)


def _histogram(feature: FeatureRecord) -> Markup:
    counts, highest = feature.counts, max(feature.counts)
    step = 100 / len(counts)
    low, high = feature.bins[0], feature.bins[-1]
    title = f"{feature.name}: {plural(len(counts), 'bin')} from {number(low)} to {number(high)}, most in one: "
    bars = Markup("").join(
        Markup('<rect class="fill" x="{x}%" y="{y}%" width="{width}%" height="{height}%"/>').format(
            x=_short(step * index),
            y=_short(100 - _height(count, highest)),
            width=_short(step * 0.86),
            height=_short(_height(count, highest)),
        )
        for index, count in enumerate(counts)
        if count
    )
    return Markup(
        '<svg class="histogram" role="img"><title>{}</title>{}<rect class="base" y="99%" width="100%" height="1"/>'
        '</svg><p class="ends"><span>{}</span><span>{}</span></p>'
    ).format(title + plural(highest, "row"), bars, number(low), number(high))


def _words(feature: FeatureRecord) -> Markup:
    line, highest, total = 20, max(feature.counts), sum(feature.counts)
    title = ", ".join(f"{word} {human_count(count)}" for word, count in zip(feature.bins, feature.counts, strict=True))
    rows = Markup("").join(
        Markup(
            '<text x="0" y="{text}">{word}</text>'
            '<rect class="fill" x="44%" y="{y}" width="{width}%" height="10" rx="1"/>'
            '<text class="number" x="100%" y="{text}" text-anchor="end">{share}</text>'
        ).format(
            text=index * line + 13,
            y=index * line + 4,
            word=_clipped(str(word), 17),
            width=_short(max(38 * count / highest, 0.6)),
            share=share(count, total),
        )
        for index, (word, count) in enumerate(zip(feature.bins, feature.counts, strict=True))
    )
    return Markup('<svg class="words" height="{}" role="img"><title>{}</title>{}</svg>').format(
        len(feature.counts) * line, f"{feature.name}: {title}", rows
    )


def pipe(stages: Sequence[Stage]) -> tuple[Markup, Markup]:
    """The way of the bytes as a pipe whose cross-section is their number: lying, and standing for phones.

    A circle's area grows with the square of its diameter, so the drawn diameter is the square root of
    the bytes; a stage with almost none keeps a hair's breadth.
    """
    most = max((stage.bytes for stage in stages), default=0) or 1
    widths = [max(_PIPE * sqrt(stage.bytes / most), 2) for stage in stages]
    title = "; ".join(f"{stage.stage} {human_bytes(stage.bytes)}" for stage in stages)
    return _drawn(widths, title, upright=False), _drawn(widths, title, upright=True)


def _drawn(widths: Sequence[float], title: str, *, upright: bool) -> Markup:
    # lying, the drawing is as wide as all stages of a whole run, so a run that ended early ends early here too
    length, middle = 200 * (len(widths) if upright else max(len(widths), _STAGES)), _PIPE / 2 + 5
    there = _edge([middle - width / 2 for width in widths], upright)
    back = _edge([middle + width / 2 for width in widths], upright)[::-1]
    path = "M" + _joined(there) + "L" + _joined(back) + "Z"
    box = f"0 0 {_PIPE + 10:.0f} {length}" if upright else f"0 0 {length} {_PIPE + 10:.0f}"
    name = "standing" if upright else "lying"
    ends = f'x2="0" y2="{_CLEAR}"' if upright else f'x2="{_CLEAR}" y2="0"'
    return Markup(
        '<svg class="pipe {name}" viewBox="{box}" preserveAspectRatio="none" role="img"><title>{title}</title>'
        '<defs><linearGradient id="water-{name}" gradientUnits="userSpaceOnUse" x1="0" y1="0" {ends}>'
        '<stop class="murky" offset="0"/><stop class="clear" offset="1"/></linearGradient></defs>'
        '<path fill="url(#water-{name})" d="{path}"/></svg>'
    ).format(name=name, box=box, title=title, ends=Markup(ends), path=path)


def _edge(offsets: Sequence[float], upright: bool) -> list[tuple[float, float]]:
    """One wall of the pipe: level through each stage, a smooth step (sampled) between two."""
    points: list[tuple[float, float]] = []
    for index, offset in enumerate(offsets):
        start = 200 * index
        points += [(start + (60 if index else 0), offset), (start + 140, offset)]
        if index + 1 < len(offsets):
            change = offsets[index + 1] - offset
            points += [(start + 140 + 120 * t / 12, offset + change * _smooth(t / 12)) for t in range(1, 12)]
    points += [(200 * len(offsets), offset) for offset in offsets[-1:]]
    return [(across, along) for along, across in points] if upright else points


def _smooth(t: float) -> float:
    return t * t * (3 - 2 * t)


def _joined(points: Iterable[tuple[float, float]]) -> str:
    return "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def number(value: float | str) -> str:
    """An axis end: numbers with thousands separators and no tail of decimals, words as they are."""
    if isinstance(value, str):
        return value
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _height(count: int, highest: int) -> float:
    return max(97 * count / highest, 2)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
