from __future__ import annotations

import pickle
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.privacy import known

from potable.privacy import detect
from potable.privacy.folding import plain, visible
from potable.privacy.redact import Redactor

ANNA = (
    ("name", "Anna-Lena"),
    ("name", "Müller"),
    ("full_name", "Anna-Lena Müller"),
    ("email", "anna.mueller@corp.example"),
    ("phone", "+49 (0) 151 123 45 67"),
    ("id", "E0012345"),
    ("id", "234123412346"),
    ("address", "12 Hauptstraße"),
)
EVERYBODY = (
    ("full_name", "Will Young"),
    ("name", "Will"),
    ("full_name", "D'Souza Priya"),
    ("id", "E7654321"),
    ("id", "AB12"),
    ("email", "root@localhost"),
)


def redact(text: str | None, own=ANNA, everybody=EVERYBODY) -> str | None:
    return known.redact(text, own, everybody)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna-Lena did well.", "[NAME] did well."),
        ("ANNA LENA MÜLLER did well.", "[NAME] did well."),
        ("Annalena  \n Mueller did well.", "[NAME] did well."),
        ("anna-lena muller's plan", "[NAME]'s plan"),
        ("Müllers Plan und Lenas", "[NAME] Plan und [NAME]"),
        (unicodedata.normalize("NFD", "Frau Müller sagt"), "Frau [NAME] sagt"),
        ("Mül\u00adler; An\u200bna", "[NAME]; [NAME]"),
        ("An\uff4e\uff41 works", "[NAME] works"),
        ("write to Anna.Mueller@corp.example!", "write to [EMAIL]!"),
        ("call 0151/1234567, 0151.12.34.567", "call [PHONE], [PHONE]"),
        ("my 151 12345 67", "my [PHONE]"),
        ("I am E0012345 or e 001 2345 or 12345", "I am [ID] or [ID] or [ID]"),
        ("no. 0012345, رقم ٠٠١٢٣٤٥", "no. [ID], رقم [ID]"),
        ("2341-2341-2346", "[ID]"),
        ("lives at 12, HAUPTSTRASSE now", "lives at [ADDRESS] now"),
    ],
)
def test_a_person_s_own_identifiers_go_from_their_texts(text, expected):
    assert redact(text, everybody=()) == expected


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        ("+354 581 2345", "call 581-2345 or 5812345", "call [PHONE] or [PHONE]"),
        ("0065 6123 4567", "call 6123 4567", "call [PHONE]"),
        ("+47 (22) 12 34 56", "ring 22123456", "ring [PHONE]"),
        ("+1 212 555 0123", "room 5550123", "room 5550123"),
        ("5812345", "no 812345", "no 812345"),
    ],
)
def test_a_number_of_a_country_where_they_are_short_is_found_as_it_is_dialled_there(number, text, expected):
    assert redact(text, own=(("phone", number),), everybody=()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("اتصلت بمحمد العلي أمس", "اتصلت [NAME] أمس"),
        ("لمحمد، وللعلي، ومحمّد", "[NAME]، [NAME]، [NAME]"),
        ("محمد العلى", "[NAME]"),
        ("محمد العلی", "[NAME]"),
        ("الولد", "الولد"),
    ],
)
def test_a_name_in_arabic_is_found_with_what_is_written_as_one_with_it(text, expected):
    own = (("name", "محمد"), ("name", "العلي"), ("full_name", "محمد العلي"))
    assert redact(text, own=own, everybody=()) == expected
    anybodys = redact("كتبت لمحمد العلي", own=(), everybody=own)
    assert anybodys == "كتبت [NAME]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("शर्माजी ने कहा", "[NAME] ने कहा"),
        ("शर्मा जी, प्रियाजी", "[NAME] जी, [NAME]"),
        ("जी हाँ", "जी हाँ"),
    ],
)
def test_a_name_in_hindi_is_found_with_an_honorific_written_as_one_with_it(text, expected):
    own = (("name", "प्रिया"), ("name", "शर्मा"), ("full_name", "प्रिया शर्मा"))
    assert redact(text, own=own, everybody=()) == expected


SCRIPTS = {
    "王 小明": [
        ("王小明在会议上表现良好，小明说王经理很好。", "[NAME]在会议上表现良好，[NAME]说[NAME]很好。"),
        ("国王大概说，小王 王", "国王大概说，[NAME]"),
        ("王·小明。他是王\u200b小\u00a0明", "[NAME]。他是[NAME]"),
    ],
    "歐陽 娜娜": [("歐陽小姐說娜娜來了", "[NAME]小姐說[NAME]來了")],
    "髙橋 一郎": [("高橋一郎部長と一郎さん", "[NAME]部長と[NAME]さん"), ("高い橋", "高い橋")],
    "林 健": [("林さんが森林を健康に。林健は林君", "[NAME]が森林を健康に。[NAME]は[NAME]")],
    "ヤマダ ガク": [("ﾔﾏﾀﾞ ｶﾞｸとやまだがくさん", "[NAME]と[NAME]さん"), ("カク", "カク")],
    "김 민수": [
        ("김민수가 왔다. 김민수씨는 민수에게", "[NAME]가 왔다. [NAME]씨는 [NAME]에게"),
        (unicodedata.normalize("NFD", "김민수가"), unicodedata.normalize("NFD", "[NAME]가")),
        ("김 과장과 김과장, 김치", "[NAME]과 [NAME], 김치"),
    ],
    "สมชาย ใจดี": [("คุณสมชายทำงาน พบสมชายใจดีที่นี่", "คุณ[NAME]ทำงาน พบ[NAME]ที่นี่"), ("ขายดี", "ขายดี")],
    "דוד כהן": [("לדוד ולכהן, שדוד", "[NAME], [NAME]"), ("דודים", "דודים")],
    "عبد الله العلي": [("محمد وعبد\u0640الله ثم والعلي", "محمد [NAME] ثم [NAME]"), ("قال عبدالله", "قال [NAME]")],
    "عبدالرحمن العلي": [("قال عبد الرحمن ثم لعبد الرحمن", "قال [NAME] ثم [NAME]")],
    "علی\u200cرضا محمدی": [("علی رضا، علیرضا", "[NAME]، [NAME]")],
    "Иван Сергеевич Петров": [
        ("с Иваном Петровым, Ивану Сергеевичу, у Петрова", "с [NAME], [NAME], у [NAME]"),
        ("Иванова", "Иванова"),
    ],
    "Мария Достоевская": [("Марии Достоевской, Марию", "[NAME], [NAME]")],
    "Андрей Илья": [("Андрея, Андрею, Ильи, Ильёй", "[NAME], [NAME], [NAME], [NAME]")],
    "Γιώργος Παππάς": [("τον Γιώργο, του Παππά και ΓΙΩΡΓΟΥ", "τον [NAME], του [NAME] και [NAME]")],
    "முருகன் செல்வம்": [("முருகனுக்கு, செல்வத்திடம்", "[NAME], [NAME]")],
    "রহিম উদ্দিন": [("রহিমের কাজ, উদ্দিনকে", "[NAME] কাজ, [NAME]")],
    "İbrahim Işık": [("IBRAHIM ışık'ın", "[NAME]'ın")],
}


@pytest.mark.parametrize(
    ("name", "text", "expected"), [(name, *pair) for name, some in SCRIPTS.items() for pair in some]
)
def test_a_name_is_found_as_its_script_and_language_write_it(name, text, expected):
    first, last = name.rsplit(" ", 1)
    columns = (("name", first), ("name", last), ("full_name", name), ("full_name", f"{last} {first}"))
    assert redact(text, own=columns, everybody=()) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("王小明", "昨天王小明说，小明", "昨天[NAME]说，小明"),
        ("李明", "给李明", "给[NAME]"),
        ("김민수", "담당자김민수입니다, 민수", "담당자[NAME]입니다, 민수"),
        ("이상", "이상하다", "이상하다"),
        ("สมชาย ใจดี", "พบสมชายใจดีที่นี่ สมชาย", "พบ[NAME]ที่นี่ สมชาย"),
        ("Иван Петров", "с Иваном Петровым, Петрову", "с [NAME], Петрову"),
        ("דוד כהן", "לדוד כהן, לכהן", "[NAME], לכהן"),
    ],
)
def test_anyones_full_name_goes_from_texts_of_any_script(name, text, expected):
    assert redact(text, own=(), everybody=(("full_name", name),)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("王小明表现好，小明说王先生", "[NAME]表现好，[NAME]说[NAME]"),
        ("国王大", "国王大"),
    ],
)
def test_a_full_name_without_blanks_is_found_in_its_parts(text, expected):
    assert redact(text, own=(("full_name", "王小明"),), everybody=()) == expected


@pytest.mark.parametrize(
    ("address", "text", "expected"),
    [
        ("רחוב הרצל 101", "גר ברחוב הרצל 101 עם", "גר [ADDRESS] עם"),
        ("شارع الشيخ زايد 7", "يسكن بشارع الشيخ زايد ٧", "يسكن [ADDRESS]"),
        ("123/87 ถนนสุขุมวิท", "อยู่ที่123/87 ถนนสุขุมวิทครับ", "อยู่ที่[ADDRESS]ครับ"),
        ("北京市建国路5号", "住在北京市建国路５号。", "住在[ADDRESS]。"),
    ],
)
def test_an_address_is_found_as_its_script_writes_it(address, text, expected):
    assert redact(text, own=(("address", address),), everybody=()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("工号E0012345负责", "工号[ID]负责"),
        ("電話は090-1234-5678まで", "電話は[PHONE]まで"),
        ("邮箱zhang@corp.example请联系", "邮箱[EMAIL]请联系"),
        ("写信给张@公司.example。", "[EMAIL]。"),
        ("전화 010-1234-5678로", "전화 [PHONE]로"),
    ],
)
def test_numbers_and_addresses_stand_amid_letters_without_blanks(text, expected):
    assert redact(text, everybody=()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asked Will Young and priya d'souza", "asked Will Young and priya d'souza"),
        ("I will ask. Young people will, too.", "I will ask. Young people will, too."),
    ],
)
def test_words_that_are_also_names_stay_when_nobody_is_meant(text, expected):
    assert redact(text, everybody=(("name", "Will"), ("name", "Young"))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asked Will Young and WILL  YOUNG's team", "asked [NAME] and [NAME]'s team"),
        ("WillYoung", "WillYoung"),
        ("number 219\u200b-09-99\u200b99", "number [ID]"),
        ("D’Souza, Priya", "[NAME]"),
        ("see E7654321 / e-7654321", "see [ID] / [ID]"),
        ("the AB12 form", "the AB12 form"),
        ("root@localhost", "[EMAIL]"),
    ],
)
def test_anyones_full_name_and_ids_go_from_every_text(text, expected):
    assert redact(text, own=()) == expected


@pytest.mark.parametrize("names", [["™"], ["™", "Anna"]])
def test_a_name_of_signs_alone_is_what_they_fold_to(names):
    assert redact("anna and tm, bob", [("name", name) for name in names]).endswith(" and [NAME], bob")


def test_the_word_after_an_identifier_stays():
    assert redact("Moved to Lindenallee 136 last month", own=()) == "Moved to [ADDRESS] last month"


@pytest.mark.parametrize("text", [None, "", " ", "Nothing to see here: 45,000.00 on 01.02.2019."])
def test_what_names_nobody_stays_as_it_is(text):
    assert redact(text) == text


def test_marks_are_never_marked_again():
    own = (("name", "Name"), ("name", "Email"))
    assert redact("Name wrote an email to x@y.example", own=own) == "[NAME] wrote an [NAME] to [EMAIL]"
    assert redact("[NAME] wrote [EMAIL]", own=own) == "[NAME] wrote [EMAIL]"


def test_overlapping_identifiers_become_one_mark_of_the_longest():
    assert redact("anna.mueller@corp.example") == "[EMAIL]"
    assert redact("Young Will Young", everybody=(("full_name", "Young Will"), ("full_name", "Will Young"))) == "[NAME]"


def test_offsets_hold_where_folding_changes_lengths():
    assert redact("ßßß ﬃ İİ — Will Young ﬃß Müller\u0308 ß") == "ßßß ﬃ İİ — [NAME] ﬃß [NAME] ß"


def test_a_batch_keeps_its_other_columns_and_nulls(tmp_path):
    batch = pa.record_batch(
        {
            "n": pa.array([1, 2, 3]),
            "text": pa.array(["Anna", None, "Will Young and Anna"]),
            "subject": pa.array(["a", "a", None]),
            "name": pa.array(["Will Young", "b", None]),
        }
    )
    index = known.index([("a", "name", "Anna"), (None, "full_name", "Will Young")], tmp_path)
    redactor = pickle.loads(pickle.dumps(Redactor(("text",), "subject", index)))
    assert redactor(batch).to_pydict() == {
        "n": [1, 2, 3],
        "text": ["[NAME]", None, "[NAME] and Anna"],
        "name": ["Will Young", "b", None],
    }
    assert str(tmp_path) not in repr(redactor)


def test_a_broken_check_redacts(monkeypatch):
    def broken(text: str) -> int:
        raise RuntimeError("no")

    pattern = next(p for p in detect.PATTERNS if p.kind == "pan")
    changed = tuple(
        detect.Pattern(p.kind, p.mark, p.sieve, p.form, broken) if p is pattern else p for p in detect.PATTERNS
    )
    assert next(detect.spans("XYZQK1234F", changed))[1].kind == "pan"
    assert not list(detect.spans("XYZQK1234F"))


def test_the_result_does_not_depend_on_the_order_of_the_roster():
    twins = [("name", "Park"), ("address", "Park"), ("id", "Park 12345"), ("full_name", "Park 12345")]
    texts = {redact("Park 12345 at Park", own=tuple(order), everybody=order) for order in (twins, twins[::-1])}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Frau M&uuml;ller, M&#252;ller, M&#xFC;ller und M&amp;uuml;ller", "Frau [NAME], [NAME], [NAME] und [NAME]"),
        (
            "D&#39;Souza Priya, D&apos;Souza&nbsp;Priya &lt;x&gt; R&amp;D &nosuch; &",
            "[NAME], [NAME] &lt;x&gt; R&amp;D &nosuch; &",
        ),
        ("anna.mueller&#64;corp.example or joe&commat;else.example", "[EMAIL] or [EMAIL]"),
        (
            "see https://x.example/Will%20Young%20review.pdf, 20%20 off",
            "see https://x.example/[NAME] review.pdf, 20%20 off",
        ),
        ("https://x.example/anna-lena%20M%C3%BCller/?to=joe%40else.example", "https://x.example/[EMAIL]"),
        ("joe.bloggs%40else.example", "[EMAIL]"),
        ("0\ufe0f\u20e31\ufe0f\u20e35\ufe0f\u20e31\ufe0f\u20e3 123 45 67", "[PHONE]"),
        ("M\u3164\xfcl\ufe0fl\u034fe\u1160r", "[NAME]"),
        ("E00\u278a\u2777\u2462\u2463\u2464", "[ID]"),
        ("4111\u034f 1111\ufe0f 1111 1111", "[ID]"),
    ],
)
def test_what_is_written_for_html_or_links_or_with_what_nobody_sees_is_found(text, expected):
    assert redact(text) == expected


@given(st.text(st.sampled_from("&#;%ampltgu25C3BEx:/.3 1\x00\u200b"), max_size=60))
def test_a_visible_text_stays_as_it_is(text):
    """Or places found in it would be others than those that are replaced."""
    seen = visible(text)
    assert visible(seen) == seen and len(plain(text)) == len(seen)


def test_writings_over_each_other_take_no_time_by_the_square():
    text = "://" + "%25" * 100_000 + "&amp;" * 100_000 + "uuml; " + "&#3" * 100_000
    assert visible(visible(text)) == visible(text)
