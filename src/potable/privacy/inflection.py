"""What languages write as one with a name: prepositions, articles, honorifics, cases, particles.

A name is found where its words are, so that a form exists for each of these that stands in a text as one word with it.
In scripts without blanks each letter is a word (`folding.unit`), so names are found amid others there; a name of one
letter (李, 김) is no more than a letter amid others and counts with what names a person beside it.

All texts are folded. Entry: `inflected`; `cut` are the parts of a full name that is written without blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

from potable.privacy.folding import continues, fold, unit


def _folded(texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(fold, texts.split())))


_BEFORE = {
    re.compile("[\u0620-\u064a]"): _folded("و ف ب ك ل وب وك ول"),  # and, so, with, as, for
    re.compile("[\u05d0-\u05ea]"): _folded("ו ה ב כ ל מ ש וב וה ול ומ וש שב של כש"),
}
_ARTICLE, _FOR_THE = "ال", ("لل", "ولل")
_SERVANT = "عبد "
"""Names that begin so are written as one word or as two."""
_AS_TWO, _AS_ONE = re.compile(rf"\b{_SERVANT}(?={_ARTICLE})"), re.compile(rf"\b{_SERVANT.strip()}(?={_ARTICLE})")
_BEHIND = {
    re.compile("[\u0904-\u0963]$"): _folded("जी ने ला चा ची चे च्या नी शी ले लाई को का की"),
    re.compile("[\u0985-\u09e3]$"): _folded("র ের কে রা দের তে য় ও ই দা দি বাবু সাহেব"),
    re.compile("[\u0b85-\u0bcc]$"): _folded(
        "ுக்கு ின் ை ைப் ுடன் ால் ிடம் ும் ுடைய ிற்கு ினால் வின் வுக்கு வை விடம் வும் வால் வுடன் யின் யை யும் யிடம் யிற்கு க்கு"
    ),
}
_TAMIL_M, _BEFORE_CASES = "ம", fold("த்த")
"""The last letter of names such as செல்வம் before what is behind them."""
_TITLES = re.compile("[\u3005\u3400-\u9fff]"), re.compile("[\u1100-\u11ff]")
_BEFORE_ONE = (_folded("小 老 阿 姓"), _folded("성이"))
_BEHIND_ONE = (
    _folded(
        "先生 女士 小姐 太太 同学 同學 老师 老師 经理 經理 总 總 主任 主管 工 师傅 師傅 博士 教授 医生 醫生 大夫"
        " 部长 部長 处长 處長 科长 科長 局长 局長 院长 院長 书记 書記 董 哥 姐 氏 某"
        " さん さま 様 君 くん ちゃん 殿 先輩 課長 係長 社長 専務 常務 店長"
    ),
    _folded("씨 님 군 양 과장 대리 부장 차장 사원 팀장 이사 사장 대표 선생 실장 주임 교수 박사 상무 전무"),
)
_CUT = re.compile("[\u3005\u3400-\u9fff\U00020000-\U0003ffff]+|[\u1100-\u11ff]+")
_LONGEST_CUT = 6
_CYRILLIC, _GREEK = re.compile("[\u0430-\u045f]"), re.compile("[\u03b1-\u03c9]")
_CASES = (
    # й is folded to и, ё to е; genitive, dative, accusative, instrumental, prepositional
    ("(?:[ое]в|[иы]н)$", "", "а у а ым е"),
    ("(?:[ое]в|[иы]н)а$", "а", "ои ои у ои|ою ои"),
    ("ая$", "ая", "ои ои ую ои|ою ои"),
    ("[кгхжш]ии$", "ии", "ого ому ого им ом"),
    ("(?:ыи|ои)$", "..", "ого ому ого ым|им ом"),
    ("ия$", "я", "и и ю еи и"),
    ("я$", "я", "и е ю еи е"),
    ("[кгхжчшщ]а$", "а", "и е у ои|еи е"),
    ("а$", "а", "ы е у ои|еи е"),
    ("и$", "и", "я ю я ем е|и"),
    ("ь$", "ь", "я|и ю|и я|ь ем|ью е|и"),
    ("[бвгджзклмнпрстфхцчшщ]$", "", "а у|ови а ом|ем е"),
)
_GREEK_CASES = (("οσ$", "οσ", "ου ο ε"), ("[ηα]σ$", "σ", "| | |"), ("[ηα]$", "", "σ σ σ"))


def inflected(texts: Iterable[str]) -> Iterator[str]:
    """Folded names as their languages write them beside other words."""
    for text in _servants(texts):
        if text.isascii():
            continue
        yield text
        yield from behind_prepositions(text)
        yield from _before_cases(text)
        yield from _titled(text)
        for letters, cases in ((_CYRILLIC, _CASES), (_GREEK, _GREEK_CASES)):
            if letters.match(text):
                yield from _declined(text, cases)


def _servants(texts: Iterable[str]) -> Iterator[str]:
    """Folded names, and those with such a word (`_SERVANT`) the other way too."""
    for text in texts:
        yield text
        if _SERVANT.strip() in text:
            yield _AS_TWO.sub(_SERVANT.strip(), text)
            yield _AS_ONE.sub(_SERVANT, text)


def cut(word: str) -> Iterator[str]:
    """The parts of a folded full name that is written without blanks, where it is of Han or Korean letters."""
    letters = _letters(word) if _CUT.fullmatch(word) else []
    for place in range(1, len(letters)) if len(letters) <= _LONGEST_CUT else ():
        yield from ("".join(letters[:place]), "".join(letters[place:]))


def is_full(word: str) -> bool:
    """Whether a folded full name without blanks names a person by itself: two letters of Han, three of Korean."""
    return _CUT.fullmatch(word) is not None and len(_letters(word)) > (1 if _TITLES[0].match(word) else 2)


def _letters(word: str) -> list[str]:
    """The letters of a folded word, each with what belongs to it."""
    letters = list[str]()
    for char in word:
        if letters and continues(char):
            letters[-1] += char
        else:
            letters.append(char)
    return letters


def behind_prepositions(text: str) -> Iterator[str]:
    """A folded name or address as one with what is written together with it in front of it."""
    for letters, before in _BEFORE.items():
        if letters.match(text):
            yield from (word + text for word in before)
    if text.startswith(_ARTICLE):
        yield from (before + text.removeprefix(_ARTICLE) for before in _FOR_THE)


def _before_cases(text: str) -> Iterator[str]:
    for letters, behind in _BEHIND.items():
        if letters.search(text):
            yield from (text + ending for ending in behind)
            if text.endswith(_TAMIL_M):
                yield from (text.removesuffix(_TAMIL_M) + _BEFORE_CASES + ending for ending in behind)


def _titled(text: str) -> Iterator[str]:
    """A name of one letter beside what names a person."""
    if not unit(text[0]) or len(_letters(text)) > 1:
        return
    for script, before, behind in zip(_TITLES, _BEFORE_ONE, _BEHIND_ONE, strict=True):
        if script.match(text):
            yield from (title + text for title in before)
            yield from (text + title for title in behind)


def _declined(text: str, cases: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """A name in all cases, each of its words in the same one."""
    for words in zip(*(_in_cases(word, cases) for word in text.split()), strict=False):
        yield from map(" ".join, product(*words))


def _in_cases(word: str, cases: Iterable[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """A word in each case; itself where it may have none."""
    for ending, off, endings in cases:
        if re.search(ending, word):
            stem = word[: len(word) - len(off)]
            return [tuple(stem + end for end in each.split("|")) for each in endings.split()]
    return [(word,)] * 5
