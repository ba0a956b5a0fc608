"""The page is complete, self-contained and well-formed, whatever the record holds."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from lxml import html as lxml_html
from tests.report import records

from potable.contracts.findings import Finding, Result
from potable.report import checks, health, view
from potable.report.html import render
from potable.runs.record import RunRecord, TableRecord

VOID = {"meta", "br", "link", "img", "input", "hr", "wbr"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Balance(HTMLParser):
    """Collects tags that are closed in the wrong order."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))


@pytest.fixture(params=records.ALL, ids=lambda make: make.__name__)
def record(request):
    return request.param()


def text_of(record, **options):
    page = lxml_html.fromstring(render(record, **options))
    for unseen in page.xpath("//style | //head"):
        unseen.drop_tree()
    return re.sub(r"\s+", " ", page.text_content())


def test_every_tag_is_closed_where_it_was_opened(record):
    balance = Balance()
    balance.feed(render(record))
    assert (balance.wrong, balance.open) == ([], [])


def test_a_dataset_emptied_to_reach_k_says_so_beside_k():
    record = records.attrition()
    emptied = replace(record, privacy=replace(record.privacy, k=1_912, suppressed=1_912))
    told = "k = 1,912, required 5, after emptying age, gender, education, job_level in 1,912 of 1,912 rows."
    assert view.anonymity(emptied) == told
    assert view.anonymity(record) == "k = 6, required 5."


def test_of_a_label_of_many_values_the_most_frequent_are_told():
    record = records.attrition()
    balance = {f"{hours}.5": 40 - hours for hours in range(30)}
    page = render(replace(record, dataset=replace(record.dataset, balance=balance)))
    assert ">11.5</th>" in page and ">18 more values</th>" in page and ">12.5</th>" not in page


def test_nothing_is_requested_from_anywhere(record):
    page = render(record)
    tree = lxml_html.fromstring(page)
    links = [value for value in tree.xpath("//@src | //@href | //@action | //@data") if not value.startswith("#")]
    assert links == []
    assert re.findall(r"url\((?!#)", page) == []
    assert re.findall(r"@import|<script|<link|<iframe|\son\w+=", page) == []
    assert "default-src 'none'" in page


def test_ids_are_unique_and_every_link_has_its_target(record):
    tree = lxml_html.fromstring(render(record))
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    targets = [value.removeprefix("#") for value in tree.xpath("//a/@href")] + tree.xpath("//@aria-labelledby")
    assert set(targets) <= set(ids)


def test_it_can_be_read_without_seeing_it(record):
    tree = lxml_html.fromstring(render(record))
    assert [len(tree.xpath(f"//{landmark}")) for landmark in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    assert tree.get("lang") == "en"
    assert tree.xpath("//table[not(.//th[@scope='col'])]") == []
    assert tree.xpath("//tbody/tr[not(th[@scope='row'])]") == []
    assert tree.xpath("//svg[not(@role='img' and title) and not(ancestor::*[@aria-hidden])]") == []


def test_every_table_scrolls_in_its_own_box(record):
    assert lxml_html.fromstring(render(record)).xpath("//table[not(parent::div[@class='scroll'])]") == []


def test_names_from_data_are_never_markup():
    page = render(records.enormous())
    assert records.HOSTILE not in page
    assert html.escape(records.HOSTILE, quote=False).split("(")[0] in page


def test_control_characters_do_not_reach_the_page():
    page = render(replace(records.attrition(), reason="a\x00b\x1b[31m\x85"))
    assert "a�b�[31m�" in page


def test_a_stored_record_gives_the_same_page(record):
    assert render(RunRecord.from_bytes(record.to_bytes())) == render(record)


def test_a_published_run_names_its_dataset_and_its_promises():
    text = text_of(records.attrition())
    for part in (
        "Version 3 was published.",
        "1,912 rows × 41 columns, 598 KB",
        "307,077 rows in = 306,226 out + 851 quarantined, in 11 tables.",
        "78,392 cells searched for 18,406 known identifiers: nothing found. k = 6, required 5.",
        "38 columns of 200 sampled subjects stayed byte-identical",
        "peak 611 MB of 2.0 GB",
        "1,094 files restricted zone",
    ):
        assert part in text


def test_every_column_has_a_card_and_every_table_its_equation():
    tree = lxml_html.fromstring(render(records.attrition()))
    cards = [card.findtext("h4") for card in tree.xpath("//article")]
    assert sorted(cards) == sorted(feature.name for feature in records.features())
    rows = tree.xpath("//section[@id='quality']//table[1]/tbody/tr[th/a]")
    assert len(rows) == len(records.tables())


def test_each_question_of_health_has_its_answer_and_what_was_found():
    made = records.attrition()
    page = lxml_html.fromstring(render(made)).get_element_by_id("health")
    (row,) = [row for row in page.xpath(".//tr") if row.xpath("./th")[0].text_content() == "payroll.payslips"]
    assert [cell.text_content() for cell in row.xpath("./td")] == [
        "no",
        "expected",
        "no",
        "yes",
        "yes",
        "< 0.1%",
        "yes",
    ]
    told = re.sub(r"\s+", " ", page.text_content())
    for finding in made.tables[6].health:
        assert finding.told.replace("`", "") in told
    assert "Favourable" in told and "Male differs from all others by 31.0 points." in told
    assert (
        "5 findings of 12 checks (1 not judged yet): payroll.payslips anomalous, payroll.payslips drifted: currency, payroll.payslips filled in later: bonus, 2 more."
        in told
    )
    assert "3 columns compared with employee_attrition version 2." in told and "monthly_income: PSI 0.41" in told
    assert "Expected until 2030-01-01: a merger." in told and "age: PSI" not in told


@pytest.mark.parametrize("state", ["ok", "open"])
def test_rows_that_break_a_check_are_counted_also_where_they_are_no_more_than_before(state):
    table = records.attrition().tables[6]
    steady = Finding("incorrect", state, "0.2% of its rows fail a check, 0.2% before; at most 2% more allowed.")
    assert health.answers(replace(table, health=(steady,)))[1] == health.Answer("0.2%", "care", True)
    assert health.answers(replace(table, health=(steady,), quarantined=0))[1] == health.word(state)


def test_what_could_not_be_judged_is_not_called_fine():
    made = records.attrition()
    open_ = replace(made.tables[6], health=(records.health_of_payslips()[5],))
    bare = replace(made, tables=[open_], dataset=replace(made.dataset, bias=(), beside=None))
    assert health.line(bare) == "1 check, not judged yet"
    assert health.line(replace(bare, tables=[open_, open_])) == "2 checks, none judged yet"


def test_the_last_line_of_the_tables_has_no_number_that_no_table_has():
    made = records.partial()
    bare = replace(made, tables=[replace(table, protected_rows=0, nobody=0) for table in made.tables])
    line = text_of(bare).split("All tables")[1].split("A check of rows")[0]
    assert line.strip().endswith("––")


def test_without_a_declaration_only_incorrect_rows_are_answered():
    made = records.attrition()
    bare = replace(
        made,
        tables=[replace(table, health=()) for table in made.tables],
        dataset=replace(made.dataset, bias=(), beside=None),
    )
    page = text_of(bare)
    assert "No contract declares health" in page
    assert "declares no groups under bias" in page


def test_a_failed_run_shows_its_error_in_the_one_form():
    text = text_of(records.failed())
    assert "The run failed. Version 3 stays current." in text
    error = records.failed().error
    parts = ("error[D001] sources/payroll.yaml:31:9:", "state:" + error["state"], "next:" + error["next"])
    assert all(part in text for part in parts)
    assert text.count("The run ended before this step.") >= 4


def test_all_of_several_errors_are_shown():
    error = records.failed().error
    several = {"errors": [error, {**error, "code": "D002"}], "exit_code": 1}
    text = text_of(replace(records.failed(), error=several))
    assert "error[D001]" in text
    assert "error[D002]" in text


def test_rows_that_do_not_add_up_break_the_promise():
    table = TableRecord("hrms.people", 10, 8, 1, {}, (), (), {})
    text = text_of(replace(records.attrition(), tables=(table,)))
    assert "Nothing is lost: broken" in text
    assert "1 table does not add up." in text


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"findings": 1}, "No one is exposed: broken"),
        ({"k": 4}, "No one is exposed: broken"),
        ({"cells_scanned": 0}, "No one is exposed: not measured"),
        ({"cells_scanned": 0, "k": 0}, "No one is exposed: not measured"),
        ({"k": 0}, "No one is exposed: not measured"),
    ],
)
def test_privacy_is_kept_only_where_it_was_measured(change, promise):
    made = records.attrition()
    assert promise in text_of(replace(made, privacy=replace(made.privacy, **change)))


def test_what_a_gate_refused_is_not_called_unmeasured():
    error = {"code": "G002", "problem": "`d` has only k = 2 over age"}
    text = text_of(replace(records.failed(), error=error))
    told = "A gate refused the result: d has only k = 2 over age. It was not published."
    assert "No one is exposed: broken" in text and told in text and "k was not measured" not in text


def test_a_leak_and_too_much_memory_break_their_promises():
    made = records.attrition()
    assert "No future leaks in: broken" in text_of(replace(made, error={"code": "G003", "problem": "x"}))
    assert "Memory is bounded: broken" in text_of(replace(made, peak_memory=made.memory + 1))


def test_the_share_a_check_needs_is_exact():
    assert "≥ 99.9%" in text_of(records.attrition())
    assert "≥ 99.999%" in text_of(records.enormous())


def test_nothing_quarantined_is_said_plainly():
    clean = TableRecord("hrms.people", 10, 10, 0, {}, (), (), {}, 0, 10)
    text = text_of(replace(records.attrition(), tables=(clean,)))
    assert "Nothing was quarantined." in text
    assert "No drift of its columns. No nulls." in text


def test_nothing_new_says_which_version_is_current():
    assert "Nothing changed. Version 3 stays current." in text_of(records.unchanged())


def test_earlier_runs_are_listed_newest_first_and_the_rest_counted():
    runs = [json.loads(replace(records.attrition(), run=f"run-{place:02d}").to_bytes()) for place in range(14)]
    text = text_of(records.attrition(), history=runs)
    assert "The newest first; 2 older runs not listed." in text
    assert "run-01" not in text
    assert text.index("run-13") < text.index("run-02")


def test_a_check_shows_its_promise_what_was_found_and_some_failing_values():
    bounds = {"column": "gross", "min_value": 0, "max_value": 250_000.5}
    failing = Result(
        "expect_column_values_to_be_between", ("gross",), False, 1_000, 3, None, "quarantine",
        missing_count=100, partial_unexpected_list=["-9.99", "-9.99", "-99"], arguments=bounds,
    )  # fmt: skip
    counted = Result(
        "expect_column_sum_to_be_between", ("hours",), True, 1_000, 0, None, "stop", observed_value=1234567.5
    )
    # a column of which no row stayed has no mean
    nothing = Result("expect_column_mean_to_be_between", ("hours",), False, 0, 1, None, "stop")
    table = TableRecord("payroll.payslips", 1_000, 997, 3, {}, (failing, counted, nothing), (), {}, 0, 997)
    page = text_of(replace(records.attrition(), tables=(table,)))
    assert "max_value 250,000.5, min_value 0" in page and "3 of 900" in page and "1,234,567.5" in page
    assert "-9.99, -99" in page and "no value to judge" in page and "1 of 0" not in page


def test_tables_and_checks_show_their_way_over_runs():
    table = records.attrition().tables[6]
    check = table.checks[-1]

    def run(away, failed, **changes):
        then = replace(table, quarantined=away, checks=(replace(check, unexpected_count=failed, **changes),))
        return json.loads(replace(records.attrition(), tables=(then,)).to_bytes())

    runs = [run(0, 0), run(1_000, 5, columns=("other",)), run(2_000, 9)]
    assert checks.over_runs(runs, table, 2).values == pytest.approx([1_000 / 198_733, 2_000 / 198_733, 412 / 198_733])
    told = checks.check_over_runs(runs, table, check, 9)
    assert told.values == pytest.approx([0, None, 9 / 198_733, 18 / 198_733])
    assert checks.check_over_runs([run(0, 0, arguments={"column": "x"})], table, check, 9) is None
    assert checks.over_runs([{"tables": []}], table, 9) is None
    page = render(records.attrition(), history=runs)
    assert page.count('<svg class="trend"') >= 2 and html.escape(told.title) in page


def test_contrast_of_text_is_at_least_aa():
    """WCAG 2.1: contrast (L1 + 0.05) / (L2 + 0.05) of relative luminances, 4.5 for text."""
    style = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", render(records.first()))
    half = [index for index, (name, _) in enumerate(style) if name == "paper"][1]
    for palette in (dict(style[:half]), dict(style[half:])):
        for ground in ("paper", "sunk"):
            for ink in ("ink", "soft", "water", "kept", "broken", "care"):
                assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground, palette[ink])


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to lay the page out with")
def test_nothing_is_wider_than_the_screen(record, tmp_path):
    widths, frame = (320, 390, 1280), html.escape(render(record))
    script = """onload = () => document.title = [...document.querySelectorAll("iframe")].map(frame => {
        const page = frame.contentDocument.documentElement
        return page.scrollWidth + " " + page.clientWidth
    }).join(" ")"""
    style = "display:block;border:0;height:900px"
    screens = [f'<iframe style="{style};width:{width}px" srcdoc="{frame}"></iframe>' for width in widths]
    (tmp_path / "outer.html").write_text(f"<!doctype html><script>{script}</script><body>{''.join(screens)}")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1500,1000", "--dump-dom"]
    found = subprocess.run([*command, f"file://{tmp_path}/outer.html"], capture_output=True, text=True, timeout=60)
    told = list(map(int, re.search(r"<title>([\d ]+)</title>", found.stdout)[1].split()))
    assert tuple(told[1::2]) == widths
    assert [needed for needed, there in zip(told[::2], told[1::2], strict=True) if needed > there] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to lay the page out with")
def test_the_rows_of_all_tables_are_seen_whole_on_a_common_screen(tmp_path):
    made = records.attrition()
    tables = tuple(replace(table, deleted=table.rows // 2, rows=table.rows - table.rows // 2) for table in made.tables)
    page = render(replace(made, tables=tables), history=[json.loads(made.to_bytes())] * 6)
    script = """<script>onload = () => { const all = document.querySelector('[aria-label="Rows per table"]')
        document.title = innerWidth + " " + all.scrollWidth + " " + all.clientWidth }</script>"""
    page = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', script, page)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,1000", "--dump-dom"]
    found = subprocess.run([*command, f"file://{tmp_path}/page.html"], capture_output=True, text=True, timeout=60)
    screen, needed, there = map(int, re.search(r"<title>([\d ]+)</title>", found.stdout)[1].split())
    assert screen == 1280 and needed <= there, (needed, there)


def test_what_is_deleted_is_in_the_equation_and_drift_tells_its_example():
    drift = {"change": "widened", "column": "pay", "objects": 1, "first": "f", "batch": 4, "example": "9.9"}
    drift |= {"detail": "integer → decimal(19,1)", "policy": "warn"}
    table = TableRecord("hrms.people", 16, 8, 1, {}, (), (drift,), {}, deleted=7)
    text = text_of(replace(records.attrition(), tables=(table,)))
    assert "16 rows in = 8 out + 1 quarantined + 7 deleted or replaced at the source" in text
    assert "7 rows deleted or replaced at the source, or saying so" in text
    assert "widened pay (integer → decimal(19,1)) in 1 object, first in f of batch 4, as in 9.9; policy: warn" in text
    lost = replace(records.attrition(), tables=(replace(table, deleted=6),))
    assert "1 table does not add up." in text_of(lost)
