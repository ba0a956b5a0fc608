"""Progress on terminals and elsewhere, the summary, and plain tables."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.report import records

from potable.cli.output import Progress, summary, table
from potable.runs.record import Event


@pytest.fixture(params=records.ALL, ids=lambda make: make.__name__)
def record(request):
    return request.param()


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def lines_of(*events, **options):
    out = io.StringIO()
    with Progress(Console(file=out, width=40, **options), Clock()) as progress:
        for event in events:
            progress(event)
    return out.getvalue().splitlines()


def drawn(*events, seconds=4.0, width=120):
    """The terminal's picture after `events`."""
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, width=width, force_terminal=True, color_system=None, legacy_windows=False)
    progress = Progress(console, clock)
    for event in events:
        progress(event)
    clock.now += seconds
    out.seek(0)
    out.truncate()
    console.print(progress._drawn())
    return out.getvalue()


def test_elsewhere_each_finished_step_is_one_line():
    assert lines_of(
        Event("validate", "validate payroll.payslips", "started", 0, 4),
        Event("validate", "validate payroll.payslips", "progress", 0, 4, 1_000),
        Event("validate", "validate payroll.payslips", "done", 1, 4, 198_321, 0, 412, 1.93),
        Event("ingest", "ingest hrms", "done", 2, 4, bytes=12_897_485, seconds=0.5),
        Event("ingest", "ingest lms", "skipped", 3, 4),
        Event("build", "build employee_attrition", "failed", 4, 4, seconds=2.0),
    ) == [
        "validate payroll.payslips  198,321 rows  412 quarantined  1.9 s",
        "ingest hrms  12.3 MB  0.5 s",
        "ingest lms  unchanged, skipped",
        "build employee_attrition  failed after 2.0 s",
    ]


def test_a_dumb_terminal_gets_lines_without_control_sequences(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    event = Event("ingest", "ingest hrms", "done", 1, 1, rows=5, seconds=0.5)
    assert lines_of(event, force_terminal=True) == ["ingest hrms  5 rows  0.5 s"]


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=100), Clock()) as progress:
        progress(Event("ingest", "ingest hrms", "failed", 1, 1))
    assert "\x1b[31m" not in out.getvalue()
    assert "ingest" in out.getvalue()


def test_names_are_neither_markup_nor_control_sequences():
    assert lines_of(Event("ingest", "ingest [red]x\x1b[2J", "done", 1, 1)) == ["ingest [red]x\\x1b[2J  0.0 s"]


def test_a_terminal_shows_verbs_running_steps_rates_and_time_left():
    picture = drawn(
        Event("ingest", "ingest hrms", "done", 1, 4, bytes=12_897_485, seconds=2.0),
        Event("validate", "validate lms.trainings", "done", 2, 4, rows=500, quarantined=7, seconds=1.0),
        Event("validate", "validate payroll.payslips", "progress", 2, 4, rows=120_000, quarantined=3, seconds=2.0),
    )
    for part in ("✓ ingest", "12.3 MB", "500 rows", "7 quarantined", "▸ validate payroll.payslips", "120,000 rows",
                 "60,000 rows/s", "3 quarantined", "2 of 4 steps", "4.0 s, about 4.0 s left", "memory "):  # fmt: skip
        assert part in picture
    assert "memory 0 bytes" not in picture


def test_a_running_step_without_its_own_time_is_timed_here():
    assert "1.0 MB/s" in drawn(Event("ingest", "ingest hrms", "progress", 0, 2, bytes=4 << 20))


def test_skipped_steps_promise_nothing_about_the_time_left():
    assert "left" not in drawn(Event("ingest", "ingest hrms", "skipped", 1, 4))


def test_many_running_steps_are_counted():
    picture = drawn(*[Event("protect", f"protect t{place}", "started", 0, 9) for place in range(9)])
    assert picture.count("▸") == 6
    assert "and 3 more steps" in picture


def test_a_narrow_terminal_gets_no_line_it_would_have_to_wrap():
    picture = drawn(Event("protect", "protect " + "x" * 200, "started", 0, 9), width=60)
    assert all(len(line) <= 60 for line in picture.splitlines())


def test_a_failed_verb_is_marked():
    assert "✗ build" in drawn(Event("build", "build employee_attrition", "failed", 1, 1))


def test_the_summary_is_short_plain_text(record):
    text = summary(record, "runs/r.html")
    assert len(text.splitlines()) <= 15
    assert "report       runs/r.html" in text
    assert text.splitlines()[-1].startswith("  next         potable ")
    assert all(line.isprintable() for line in text.splitlines())


def test_the_summary_is_as_short_where_there_is_everything_to_tell():
    made = records.attrition()
    first, *others = made.tables
    check = replace(made.tables[6].checks[0], action="warn", success=False)
    first = replace(first, deleted=7, checks=[check])
    empty = replace(made.dataset.features[2], nulls=made.dataset.rows)
    same = {**made.identity, "several": 3, "merged": 1}
    columns = [*made.dataset.features, empty]
    labelled = replace(made.dataset, features=columns)
    for data in (labelled, replace(labelled, label="", balance={}, scores="employee_attrition")):
        text = summary(replace(made, tables=[first, *others], identity=same, dataset=data), "r.html")
        # and one line of drift
        assert len(text.splitlines()) == 14
        assert "; 7 deleted or replaced at the source\n" in text


@pytest.mark.parametrize(
    ("verb", "away", "told"),
    [
        ("ingest", 0, "run --only validate"),
        ("validate", 0, "run --only resolve"),
        ("validate", 1, "quarantine list"),
        ("resolve", 0, "check"),
    ],
)
def test_while_files_are_not_written_the_next_command_leads_on(verb, away, told):
    made = records.attrition()
    tables = [replace(table, quarantined=away, nobody=0) for table in made.tables] if verb != "ingest" else ()
    steps = [step for step in made.steps if step.verb == verb]
    early = replace(made, unwritten=("privacy.yaml",), outcome="done", dataset=None, steps=steps, tables=tables)
    assert summary(early, "r.html").endswith(f"next         potable {told}")


def test_a_label_with_one_value_is_told():
    made = records.attrition()
    alone = replace(made, dataset=replace(made.dataset, balance={"Stayed": 1_912}))
    assert "attrition: Stayed 1,912 (100%), only one value, so a model cannot learn anything" in summary(
        alone, "r.html"
    )


def test_the_summary_of_a_published_version():
    text = summary(records.attrition(), "r.html")
    for part in (
        "employee_attrition version 3: 1,912 rows × 41 columns, 598 KB",
        "attrition: Stayed 1,634 (85.5%), Left 278 (14.5%)",
        "150 MB raw → 13.5 MB validated → 7.7 MB protected → 393 KB features → 598 KB dataset",
        "851 of 307,077 rows: duplicate 332, belongs to nobody 254, mistyped 98, 7 more reasons",
        "78,392 cells searched for 18,406 known identifiers: nothing found. k = 6, required 5.",
        "peak 611 MB of 2.0 GB allowed",
        "41.3 s, 29 steps done, 1 unchanged",
        "00000003/employee_attrition.csv",
        "potable show employee_attrition",
    ):
        assert part in text


def test_the_summary_of_nothing_new_names_the_current_version():
    first = summary(records.unchanged(), "r.html").splitlines()[0]
    assert first == "nothing changed; current: employee_attrition version 3: 1,912 rows × 41 columns, 598 KB"


def test_the_summary_of_a_failed_run_says_where_what_state_and_what_next():
    text = summary(records.failed(), "r.html")
    assert text.splitlines()[0] == "attrition failed in validate payroll.payslips: error[D001]"
    assert "state        everything landed and validated is kept; version 3 is current" in text
    assert "next         potable quarantine payroll.payslips" in text
    assert ".csv" not in text


def test_the_summary_of_a_clean_run_says_so():
    made = records.attrition()
    clean = [replace(table, quarantined=0, nobody=0, rows=table.rows_in, reasons={}) for table in made.tables]
    assert "nothing, of 307,077 rows" in summary(replace(made, tables=clean), "r.html")


def test_checks_that_only_warn_are_counted_where_they_fail():
    made = records.attrition()
    first = next(table for table in made.tables if table.checks)
    check = replace(first.checks[0], action="warn", success=True)
    others = [replace(table, checks=[]) for table in made.tables if table is not first]
    clean = replace(made, tables=[replace(first, checks=[check]), *others])
    assert "only warn" not in summary(clean, "r.html")
    failed = replace(made, tables=[replace(first, checks=[check, replace(check, success=False)]), *others])
    assert "  checks       1 of 2 failed with `severity: warn`\n" in summary(failed, "r.html")


def test_columns_that_tell_nothing_are_named():
    made = records.attrition()
    features = list(made.dataset.features)
    at = [place for place, feature in enumerate(features) if feature.role == "feature"]
    assert "  columns  " not in summary(made, "r.html")
    for place in at[:5]:
        features[place] = replace(features[place], nulls=made.dataset.rows, distinct=0)
    features[at[5]] = replace(features[at[5]], nulls=0, distinct=1)
    features[at[6]] = replace(features[at[6]], nulls=3, distinct=1)
    names = [features[place].name for place in at]
    text = summary(replace(made, dataset=replace(made.dataset, features=features)), "r.html")
    assert f"  columns      always empty: {', '.join(names[:4])}, 1 more; always the same: {names[5]}\n" in text


def test_the_summary_tells_how_many_people_keys_made_of_several():
    made = records.attrition()
    assert "\n  people       2,000, 1 merged with another person\n" in summary(made, "r.html")
    joined = replace(made, identity={**made.identity, "several": 622, "merged": 0})
    assert "\n  people       2,000, 622 with several roster keys\n" in summary(joined, "r.html")
    alone = replace(made, identity={**made.identity, "merged": 0})
    assert "  people  " not in summary(alone, "r.html")


def test_names_in_the_summary_cannot_command_the_terminal():
    made = records.attrition()
    text = summary(replace(made, dataset=replace(made.dataset, name="a\x1b[2J\nb")), "r.html")
    assert "\x1b" not in text
    assert "a\\x1b[2J\\x0ab version 3" in text


def test_a_table_aligns_numbers_right_and_words_left():
    assert table([["hrms", 1_234_567, None], ["日本", 5, "x\x1b"]], ["source", "rows", "note"]).splitlines() == [
        "source       rows  note",
        "------  ---------  -----",
        "hrms    1,234,567  –",
        "日本            5  x\\x1b",
    ]


def test_an_empty_table_still_has_its_headers():
    assert table([], ["a", "bb"]) == "a  bb\n-  --"
