"""Days as people write them in texts: 1984-03-07, 07.03.1984, 3/7/84, 7 March 1984, March 7th, 1984, 7. März 1984.

A day of birth has hundreds of written forms, so a text is searched for the days it may mean, and these are looked up.
What may mean several days (03/07/1984, or two digits of a year) means all of them. A month alone, a year alone and a
day without its year are no day.

Entry: `days`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from potable.privacy.folding import fold
from potable.privacy.lines import Line, compacted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from potable.privacy.lines import Flags, Hashes, Places

_MONTHS = (
    "january jan janvier janv enero ene januar jänner jänn gennaio gen janeiro januari stycznia styczeń sty"
    " tammikuuta tammikuu ledna leden január ianuarie ian ocak oca ιανουαρίου ιαν января январь янв січня ינואר בינואר"
    " يناير जनवरी জানুয়ারি ஜனவரி i",
    "february feb février févr febrero februar feber febbraio fevereiro fev februari lutego luty lut helmikuuta"
    " helmikuu února únor február februarie şubat şub φεβρουαρίου φεβ февраля февраль фев февр лютого פברואר בפברואר"
    " فبراير फ़रवरी फरवरी ফেব্রুয়ারি பிப்ரவரி ii",
    "march mar mars marzo märz mrz maerz março maart mrt marts marca marzec maaliskuuta maaliskuu března březen"
    " március márc martie mart μαρτίου μαρ марта март мар березня מרץ במרץ مارس मार्च মার্চ மார்ச் iii",
    "april apr avril avr abril abr aprile kwietnia kwiecień kwi huhtikuuta huhtikuu dubna duben április ápr aprilie"
    " nisan nis απριλίου απρ апреля апрель апр квітня אפריל באפריל أبريل ابريل अप्रैल এপ্রিল ஏப்ரல் iv",
    "may mai mayo maggio mag maio mei maj maja toukokuuta toukokuu května květen május máj mayıs μαΐου μαϊ мая май"
    " травня מאי במאי مايو मई মে மே v",
    "june jun juin junio juni giugno giu junho czerwca czerwiec cze kesäkuuta kesäkuu června červen június jún iunie"
    " iun haziran haz ιουνίου ιουν июня июнь июн червня יוני ביוני يونيو जून জুন ஜூன் vi",
    "july jul juillet juil julio juli luglio lug julho lipca lipiec lip heinäkuuta heinäkuu července červenec július"
    " júl iulie iul temmuz tem ιουλίου ιουλ июля июль июл липня יולי ביולי يوليو जुलाई জুলাই ஜூலை vii",
    "august aug août agosto ago augustus augusti sierpnia sierpień sie elokuuta elokuu srpna srpen augusztus ağustos"
    " ağu αυγούστου αυγ августа август авг серпня אוגוסט באוגוסט أغسطس अगस्त আগস্ট ஆகஸ்ட் viii",
    "september sep sept septembre septiembre set settembre setembro września wrzesień wrz syyskuuta syyskuu září"
    " szeptember szept septembrie eylül eyl σεπτεμβρίου σεπ сентября сентябрь сен сент вересня ספטמבר בספטמבר سبتمبر"
    " सितंबर सितम्बर সেপ্টেম্বর செப்டம்பர் ix",
    "october oct octobre octubre oktober okt ottobre ott outubro out października październik paź lokakuuta lokakuu"
    " října říjen október octombrie ekim eki οκτωβρίου οκτ октября октябрь окт жовтня אוקטובר באוקטובר أكتوبر"
    " अक्टूबर अक्तूबर অক্টোবর அக்டோபர் x",
    "november nov novembre noviembre novembro listopada listopad lis marraskuuta marraskuu noiembrie kasım kas"
    " νοεμβρίου νοε ноября ноябрь ноя нояб листопада נובמבר בנובמבר نوفمبر नवंबर नवम्बर নভেম্বর நவம்பர் xi",
    "december dec décembre déc diciembre dic dezember dez dicembre dezembro grudnia grudzień gru joulukuuta joulukuu"
    " prosince prosinec decembrie aralık ara δεκεμβρίου δεκ декабря декабрь дек грудня דצמבר בדצמבר ديسمبر"
    " दिसंबर दिसम्बर ডিসেম্বর டிசம்பர் xii",
)
"""Months as languages write them beside a day, and in Roman numerals."""
_BETWEEN = "th st nd rd er e o a of de del di den the le el day thang nam г года 年 月 日 년 월 일"
"""What may stand between the parts of a day; letters behind a number are words of their own here."""
_MOST_DIGITS, _YEAR = 8, 4
_REACH = 4
"""Words from a number within which the parts of its day stand."""
_FAR = 2 * _REACH + 1
_CENTURIES = (1900, 2000)
"""Those that two digits of a year may mean."""


class Days(NamedTuple):
    """Runs of a line that may mean a day, and the day; one that may mean several comes as often."""

    starts: Places
    ends: Places
    numbers: npt.NDArray[np.int64]
    """The day as a number: 19840307."""


def days(line: Line) -> Days:
    """The days that may be meant in a line of texts."""
    import numpy as np

    none = np.zeros(0, np.int64)
    firsts = line.edges[:-1].nonzero()[0]
    numeric = _together(line, firsts, line.digits[firsts].nonzero()[0])
    if not len(numeric):
        return Days(none, none, none)
    found = [Days(none, none, none), *_readings(_words(line, firsts, numeric))]
    return Days(*map(np.concatenate, zip(*found, strict=True)))


def hashed(numbers: npt.NDArray[np.int64]) -> Hashes:
    """Days (19840307) as `Line.compact` hashes their eight digits."""
    import numpy as np

    places = 10 ** np.arange(_MOST_DIGITS - 1, -1, -1)
    return compacted(numbers[:, None] // places % 10 + ord("0"))


def written(text: str) -> Iterator[str]:
    """The days that a text may mean, each as eight digits."""
    for number in dict.fromkeys(days(Line([fold(text)])).numbers.tolist()):
        yield f"{number:0{_MOST_DIGITS}}"


class _Words(NamedTuple):
    """Words near numbers, without what may stand between the parts of a day."""

    starts: Places
    ends: Places
    joined: Flags
    """Whether nothing else stands between a word and the next one."""
    values: npt.NDArray[np.int64]
    """The number a word is."""
    sizes: Places
    """How many digits it has; 0 for what is no number."""
    months: npt.NDArray[np.int64]
    """The month it names, or 0."""


def _together(line: Line, firsts: Places, numeric: Places) -> Places:
    """Those `numeric` words that may be part of a day: of so many digits, and another is near, or all are in one."""
    import numpy as np

    sizes = np.append(firsts, len(line))[numeric + 1] - firsts[numeric]
    whole = sizes == _MOST_DIGITS
    fit = (sizes <= 2) | (sizes == _YEAR) | whole
    numeric, whole = numeric[fit], whole[fit]
    near = np.diff(numeric, prepend=-_FAR, append=len(firsts) + _FAR) <= _FAR
    found: Places = numeric[near[:-1] | near[1:] | whole]
    return found


def _words(line: Line, firsts: Places, numeric: Places) -> _Words:
    import numpy as np

    near = np.zeros(len(firsts) + 2 * _REACH, np.bool_)
    for offset in range(2 * _REACH + 1):
        near[numeric + offset] = True
    at = near[_REACH:-_REACH].nonzero()[0]
    starts, ends = firsts[at], np.append(firsts, len(line))[at + 1]
    number = line.digits[starts]
    sizes = np.where(number, ends - starts, 0)
    values = np.zeros(len(at), np.int64)
    for place in range(_MOST_DIGITS):
        digits = (place < sizes).nonzero()[0]
        values[digits] = values[digits] * 10 + (line.chars[starts[digits] + place].astype(np.int64) - ord("0"))
    months = np.zeros(len(at), np.int64)
    words = (~number).nonzero()[0]
    known, meanings = _known()
    hashes = line.compact(starts[words], ends[words])
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    months[words] = np.where(known[places] == hashes, meanings[places], 0)
    between = months < 0
    kept = (~between).nonzero()[0]
    # how many words there are up to each one, but for those between
    counted = (at - np.cumsum(between))[kept]
    joined = np.append(counted[1:] - counted[:-1] == 1, False)
    return _Words(starts[kept], ends[kept], joined, values[kept], sizes[kept], months[kept])


def _readings(words: _Words) -> Iterator[Days]:
    """The days that words mean: three of them, or one of eight digits."""
    import numpy as np

    alone = (words.sizes == _MOST_DIGITS).nonzero()[0]
    left, middle, right = (words.values[alone] // power for power in (10_000, 100, 1))
    for year, month, day in (
        (left, middle % 100, right % 100),
        (right % 10_000, middle // 100 % 100, left // 100),
        (right % 10_000, left // 100, left % 100),
    ):
        yield _dated(words.starts[alone], words.ends[alone], year, month, day)
    three = (words.joined[:-2] & words.joined[1:-1]).nonzero()[0]
    short = (words.sizes > 0) & (words.sizes <= 2)
    days = np.where(short, words.values, 0)
    months = np.where(short, words.values, words.months)
    for year_at, month_at, day_at in ((0, 1, 2), (2, 1, 0), (2, 0, 1)):
        years = three + year_at
        for sizes, since in ((_YEAR, 0), *((2, century) for century in _CENTURIES)):
            some = three[words.sizes[years] == sizes]
            year = words.values[some + year_at] + since
            yield _dated(words.starts[some], words.ends[some + 2], year, months[some + month_at], days[some + day_at])


def _dated(
    starts: Places,
    ends: Places,
    year: npt.NDArray[np.int64],
    month: npt.NDArray[np.int64],
    day: npt.NDArray[np.int64],
) -> Days:
    """Those that may be days."""
    some = (year > 0) & (month > 0) & (month <= 12) & (day > 0) & (day <= 31)
    return Days(starts[some], ends[some], (year * 10_000 + month * 100 + day)[some])


@lru_cache(maxsize=1)
def _known() -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Hashes of words, sorted, and the number of the month each names; -1 for what may stand between."""
    import numpy as np

    meanings = {fold(word): -1 for word in _BETWEEN.split()}
    meanings |= {fold(word): number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
    lines = [Line([word]) for word in meanings]
    hashes = np.array([line.compact(np.array([0]), np.array([len(line)]))[0] for line in lines], np.uint64)
    order = np.argsort(hashes)
    return hashes[order], np.array(list(meanings.values()), np.int64)[order]
