"""Estimates: properties of the model, on a run that was really made and on the reference shipped."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.conftest import Bench

from potable.cli.planning import Asked, asked_size, estimated
from potable.engines import duckdb as engine
from potable.errors import EnvironmentFailure, ProjectError
from potable.project import Project
from potable.runs import estimate, measured, rates
from potable.runs.estimate import Estimate, Machine, Span, Work
from potable.runs.measured import Observed, Part
from potable.runs.record import RunRecord

GB = 1 << 30
SMALL, TENFOLD = 100 << 20, 1 << 30


def company(
    size: int, *, threads: int = 2, fixed: float = 2.0, per_gb: float = 100.0, serial: float = 0.25
) -> Observed:
    """A run as the model says it would be: a fixed part, a growing part, a share of it that one process does."""
    grown = per_gb * size / GB * (serial + (1 - serial) * 2 / threads)
    names = ("ingest csv", "validate csv", "resolve", "protect tables", "build", "publish")
    zones = ("raw", "validated", "quarantine", "vault", "protected", "features", "datasets", "while it runs")
    return Observed(
        run=f"run-{size}",
        date="2026-01-01",
        engine="duckdb",
        threads=threads,
        memory=2 * GB,
        peak_memory=GB,
        people=1000,
        rows=1_000_000,
        buckets=1,
        bytes={"csv": size},
        parts={name: Part(1, fixed + grown) for name in names},
        zones=dict.fromkeys(zones, size // 10),
        keys=size // 100,
        known=size // 50,
    )


def work(run: Observed, factor: float = 1.0) -> Work:
    return Work({kind: size * factor for kind, size in run.bytes.items()}, {n: p.steps for n, p in run.parts.items()})


REFERENCE = (company(SMALL), company(TENFOLD), company(TENFOLD, threads=1))


def guess(factor: float = 1.0, cores: int = 2, nodes: int = 1, engine: str = "duckdb") -> Estimate:
    runs = [replace(run, engine=engine) for run in REFERENCE]
    found = rates.rates(None, runs, engine)
    return estimate.predict(found, work(found.anchor, factor), Machine(engine, cores, nodes))


@pytest.fixture(scope="module")
def observed(finished: tuple[Bench, RunRecord]) -> Observed:
    project, record = finished[0].project(), finished[1]
    return measured.observed(record, {name: source.type for name, source in project.sources.items()}, stored=1)


def test_the_size_that_was_measured_is_predicted_as_measured(finished: tuple[Bench, RunRecord]) -> None:
    bench, record = finished
    facts = estimated(bench.project(), Asked()).facts
    assert facts["basis"] == "measured" and facts["measured"]["run"] == record.run
    assert facts["seconds_total"]["likely"] == pytest.approx(record.seconds, abs=0.01)
    for verb in ("validate", "protect", "build"):
        # keys of tables are joined with each other as `resolve` joins them, and count there
        steps = [step for step in record.steps if step.verb == verb and step.step != "validate references"]
        seconds = sum(step.seconds for step in steps)
        assert facts["seconds"][verb]["likely"] == pytest.approx(seconds)
    assert facts["memory"]["likely"] == record.peak_memory
    funnel = {stage.stage: stage.bytes for stage in record.funnel}
    assert facts["disk"]["validated"] == funnel["validated"] and facts["size"] == funnel["raw"]


def test_what_a_run_did_beside_landing_is_counted_once(finished: tuple[Bench, RunRecord]) -> None:
    project, record = finished[0].project(), finished[1]
    types = {name: source.type for name, source in project.sources.items()}
    steps = [replace(step, seconds=1.0) for step in record.steps]
    landed, rest = sum(step.verb == "ingest" for step in steps), sum(step.verb != "ingest" for step in steps)
    for waited, seconds in ((0.0, rest - 1.0), (2.0, rest + 2.0), (landed, rest + landed + 3.0)):
        made = measured.observed(replace(record, steps=tuple(steps), seconds=seconds), types, stored=1)
        parts = [part.seconds for name, part in made.parts.items() if name.startswith("ingest")]
        assert sum(parts) == pytest.approx(waited, abs=0.01)


def test_the_disk_predicted_is_the_disk_used(finished: tuple[Bench, RunRecord]) -> None:
    bench, _ = finished
    disk, lake = estimated(bench.project(), Asked()).facts["disk"], bench.root / "lake"
    parquet = {"validated": "restricted/validated", "protected": "open/protected", "features": "open/features"}
    for zone, folder in parquet.items():
        files = [path for path in (lake / folder).rglob("*.parquet") if path.parent.name != "profile"]
        assert disk[zone] == sum(path.stat().st_size for path in files)
    stored = [path for path in (lake / "restricted/raw").rglob("*") if path.is_file() and path.suffix != ".json"]
    assert disk["raw"] == sum(path.stat().st_size for path in stored)


def test_a_run_that_skipped_steps_is_not_measured_from(finished: tuple[Bench, RunRecord]) -> None:
    record = finished[1]
    skipped = replace(record, steps=(replace(record.steps[0], state="skipped"), *record.steps[1:]))
    layered = replace(record, steps=(*record.steps[:-1], replace(record.steps[-1], layered=True)))
    assert measured.is_full(record) and not measured.is_full(skipped) and not measured.is_full(layered)
    assert not measured.is_full(replace(record, error={"code": "E001"}))
    assert not measured.is_full(replace(record, steps=[step for step in record.steps if step.verb != "publish"]))


def test_the_fit_finds_fixed_growing_and_serial_time_again() -> None:
    found = rates.rates(None, REFERENCE, "duckdb")
    line, rate = found.parts["resolve"].lines[0], found.parts["resolve"]
    assert (line.once, line.fixed, line.per_gb) == (0.0, pytest.approx(2.0), pytest.approx(100.0))
    assert rate.serial == pytest.approx(0.25) and rate.serial < rate.serial_most <= 1


def test_where_ten_times_the_data_is_hardly_dearer_only_the_difference_grows() -> None:
    runs = [replace(company(size, fixed=30.0, per_gb=2.0), engine="spark") for size in (SMALL, TENFOLD)]
    found = rates.rates(None, runs, "spark")
    assert found.parts["resolve"].lines[0].per_gb == pytest.approx(2.0)
    made = estimate.predict(found, work(found.anchor, 100), Machine("spark", 2)).seconds["resolve"]
    assert made.likely == pytest.approx(30 + 200)
    # the two runs differ by less than runs of the same do: perhaps nothing grows
    assert made.low < 35 and made.high > 400


def test_what_a_build_does_once_does_not_grow_with_its_buckets() -> None:
    def built(size: int, buckets: int) -> Observed:
        run = replace(company(size), buckets=buckets, rows=buckets * 2_000_000 - 1_000_000)
        return replace(run, parts={**run.parts, "build": Part(1, 3.0 + buckets + 10 * size / GB)})

    told = rates.rates(None, [built(SMALL, 1), built(TENFOLD, 1), built(8 * TENFOLD, 8)], "duckdb")
    line = told.parts["build"].lines[0]
    assert (line.once, line.fixed, line.per_gb) == (pytest.approx(3.0), pytest.approx(1.0), pytest.approx(10.0))
    untold = rates.rates(None, [built(SMALL, 1), built(TENFOLD, 1)], "duckdb").parts["build"].lines[0]
    assert (untold.once, untold.fixed, untold.per_gb) == (*map(pytest.approx, (3.0, 1.0)), pytest.approx(10.0))


def test_one_thread_less_does_not_tell_what_machines_of_spark_cannot_share() -> None:
    runs = [replace(run, engine="spark") for run in REFERENCE]
    found = rates.rates(None, runs, "spark").parts
    assert (found["build"].serial, found["build"].serial_most) == rates.SERIAL_OF_TASKS
    assert found["ingest csv"].serial == pytest.approx(0.25)


@given(factor=st.floats(0.001, 1e5), cores=st.integers(1, 200), more=st.integers(0, 200))
def test_more_cores_are_never_slower(factor: float, cores: int, more: int) -> None:
    few, many = guess(factor, cores).total, guess(factor, cores + more).total
    assert many.likely <= few.likely * (1 + 1e-9)
    assert many.low <= few.low * (1 + 1e-9) and many.high <= few.high * (1 + 1e-9)


@given(factor=st.floats(0.001, 1e5), cores=st.integers(1, 200))
def test_twice_the_data_is_never_cheaper(factor: float, cores: int) -> None:
    once, twice = guess(factor, cores), guess(2 * factor, cores)
    for verb, span in once.seconds.items():
        assert twice.seconds[verb].likely >= span.likely and twice.seconds[verb].high >= span.high
    assert twice.memory.high >= once.memory.high
    assert all(twice.disk[zone] >= size for zone, size in once.disk.items())


@given(factor=st.floats(0.001, 1e5), cores=st.integers(1, 200), nodes=st.integers(1, 50))
def test_a_range_holds_what_is_likely(factor: float, cores: int, nodes: int) -> None:
    made = guess(factor, cores, nodes, engine="spark")
    for span in (*made.seconds.values(), made.memory, *made.shuffle.values()):
        assert 0 <= span.low <= span.likely <= span.high


def test_what_one_process_does_stays_however_many_cores_there_are() -> None:
    two, many = guess(cores=2).seconds["build"].likely, guess(cores=5000).seconds["build"].likely
    assert two == pytest.approx(102) and many == pytest.approx(2 + 100 * 0.25, rel=0.01)


def test_the_driver_reads_the_sources_however_many_machines_there_are() -> None:
    one, ten = guess(cores=2, engine="spark"), guess(cores=2, nodes=10, engine="spark")
    assert ten.seconds["ingest"] == one.seconds["ingest"]
    assert ten.seconds["build"].likely < one.seconds["build"].likely


def test_only_a_cluster_sends_bytes_between_machines() -> None:
    assert not guess(engine="spark").shuffle and guess().shuffle_total.high == 0
    two, ten = (guess(nodes=nodes, engine="spark").shuffle_total for nodes in (2, 10))
    assert 0 < two.likely < ten.likely
    assert ten.low == pytest.approx(ten.likely / 2.5) and ten.high == pytest.approx(ten.likely * 1.6)


def test_shuffled_bytes_come_from_what_spark_counted() -> None:
    runs = [replace(run, engine="spark", shuffle=run.size) for run in REFERENCE]
    found = rates.rates(None, runs, "spark")
    made = estimate.predict(found, work(found.anchor, 3), Machine("spark", 4, 4))
    assert made.shuffle_total.likely == pytest.approx(3 * TENFOLD * 3 / 4)


def test_a_slower_machine_of_ones_own_is_slower_by_the_same_share_at_any_size() -> None:
    own = replace(REFERENCE[1], parts={n: Part(p.steps, 3 * p.seconds) for n, p in REFERENCE[1].parts.items()})
    slow = rates.rates(own, REFERENCE, "duckdb")
    made = estimate.predict(slow, work(own, 10), Machine("duckdb", 2))
    assert made.total.likely == pytest.approx(3 * guess(10).total.likely)


def test_without_a_second_size_everything_is_taken_to_grow() -> None:
    found = rates.rates(REFERENCE[1], (), "duckdb")
    made = estimate.predict(found, work(REFERENCE[1], 10), Machine("duckdb", 2))
    assert made.seconds["build"].likely == pytest.approx(1020)


def test_many_workers_need_more_memory_than_is_set() -> None:
    assert not guess(cores=2).notes
    assert any(note.endswith("set at least 4.5GB") for note in guess(cores=16).notes)
    # a small run that was measured with less takes what it took
    own = replace(REFERENCE[0], memory=GB, peak_memory=GB // 3)
    small = estimate.predict(rates.rates(own, REFERENCE, "duckdb"), work(own), Machine("duckdb", 2, memory=GB))
    assert (small.memory.likely, small.notes) == (GB // 3, ())
    assert guess(cores=16).memory.high > 2 * GB


def test_less_data_than_was_measured_needs_no_more_memory_than_that() -> None:
    runs = [
        replace(run, peak_memory=peak) for run, peak in zip(REFERENCE, (GB // 2, 3 * GB // 4, GB // 3), strict=True)
    ]
    found = rates.rates(None, runs, "duckdb")

    def memory(size: float, cores: int = 2) -> Span:
        return estimate.predict(found, Work({"csv": size}, {}), Machine("duckdb", cores)).memory

    assert (memory(SMALL / 9).low, memory(SMALL / 9).high) == pytest.approx((estimate.OWN_BYTES, 1.1 * GB / 2))
    assert (memory(SMALL * 2).low, memory(SMALL * 2).high) == pytest.approx((0.9 * GB / 2, 1.1 * 3 * GB / 4))
    assert memory(TENFOLD * 2).high > GB
    assert memory(SMALL / 9, cores=3).high == pytest.approx(1.1 * (GB / 2 + estimate.WORKER_BYTES))
    # a run that filled its setting tells nothing of what a larger one would be used for
    full = replace(found, anchor=replace(runs[1], peak_memory=int(1.8 * GB)), shape=())
    assert estimate.predict(full, Work({"csv": 1.0}, {}), Machine("duckdb", 2, memory=16 * GB)).memory.high > 8 * GB


def test_memory_is_divided_as_the_product_does_it() -> None:
    for memory, threads in ((2 * GB, 2), (GB, 1), (4 * GB, 16)):
        made = estimate.predict(
            replace(rates.rates(None, REFERENCE, "duckdb"), anchor=replace(REFERENCE[1], peak_memory=0, known=0)),
            Work({"csv": 2.0 * TENFOLD}, {}),
            Machine("duckdb", threads, memory=memory),
        )
        workers = engine.WORKER_BYTES * threads if threads > 1 else 0
        limit = engine._limit(memory, threads)
        assert made.memory.high == pytest.approx(engine.OWN_BYTES + workers + limit, rel=0.001)


@pytest.mark.parametrize(
    "text", ["", "0", "0GB", "-1GB", "nan", "inf", "many", "1e400", "5QB", "2048PB", "1.2.3GB", "x"]
)
def test_an_absurd_size_is_refused(text: str) -> None:
    with pytest.raises(ProjectError) as refused:
        asked_size(text, 1000)
    assert refused.value.code == "P005" and refused.value.allowed


def test_a_size_is_bytes_or_a_factor() -> None:
    assert (
        asked_size("0.5TB", 0) == 1 << 39 and asked_size("300mb", 7) == 300 << 20 and asked_size("6 GiB", 7) == 6 * GB
    )
    assert asked_size("10", 7) == asked_size("10x", 7) == 70 and asked_size("1.5x", 100) == 150


@pytest.mark.parametrize(("cores", "nodes"), [(0, 1), (-1, 1), (10**6, 1), (2, 0), (2, 10**6), (2, 2)])
def test_an_absurd_machine_is_refused(cores: int, nodes: int) -> None:
    with pytest.raises(ProjectError) as refused:
        guess(cores=cores, nodes=nodes)
    assert refused.value.code == "P005"


def test_an_engine_nobody_measured_is_refused() -> None:
    with pytest.raises(EnvironmentFailure) as refused:
        rates.rates(None, REFERENCE, "abacus")
    assert refused.value.code == "E008" and refused.value.hint


def test_without_landed_data_a_size_is_asked_for(bench: Bench) -> None:
    project = bench.project()
    for asked in (Asked(), Asked(size="10x")):
        with pytest.raises(EnvironmentFailure) as refused:
            estimated(project, asked)
        assert refused.value.code == "E008" and "--size" in refused.value.allowed + refused.value.next
    facts = estimated(project, Asked(size="6GB")).facts
    assert facts["measured"]["of"] == "reference" and facts["size"] == 6 * GB


def test_landed_data_of_a_project_that_never_ran_is_sized_by_its_raw_zone(bench: Bench) -> None:
    record = bench.run(only="ingest")
    facts = estimated(bench.project(), Asked()).facts
    assert facts["measured"]["of"] == "reference"
    assert facts["size"] == sum(step.bytes for step in record.steps)


def test_parts_and_steps_of_a_run_are_those_the_plan_counts(
    finished: tuple[Bench, RunRecord], observed: Observed
) -> None:
    from potable.cli.planning import _steps

    project: Project = finished[0].project()
    types = {name: source.type for name, source in project.sources.items()}
    assert _steps(project, types) == Counter({name: part.steps for name, part in observed.parts.items()})


def test_the_reference_shipped_can_be_estimated_from() -> None:
    runs = measured.shipped()
    assert len({run.size for run in runs if run.engine == "duckdb"}) > 1
    assert all(run.machine and run.date and run.seconds > 0 for run in runs)
    assert Path(measured.__file__).with_name("reference_rates.json").is_file()


# the bench that measures, and the page that tells


@pytest.fixture(scope="module")
def scripts() -> dict[str, ModuleType]:
    """The bench's own modules by name."""
    folder = Path(__file__).parents[2] / "bench"
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        return {name: importlib.import_module(name) for name in ("main_job", "cost_table")}


def grown(*peaks: float) -> list[dict[str, object]]:
    """Results of the bench at sizes ten times apart, with these peaks as shares of the setting."""
    return [
        {
            "employees": 10**number,
            "record": {"seconds": 3.0**number, "peak_memory": peak * GB, "memory": GB},
            "observed": {"bytes": {"csv": 10**number}},
        }
        for number, peak in enumerate(peaks, 1)
    ]


def test_memory_that_still_grows_where_the_setting_is_half_full_breaks_the_limit(
    scripts: dict[str, ModuleType],
) -> None:
    growth = scripts["main_job"]._growth
    assert list(growth(grown(0.6, 0.9), "duckdb")) and not list(growth(grown(0.9, 1.0), "duckdb"))


def test_memory_below_half_of_the_setting_is_not_judged_and_says_so(
    scripts: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not list(scripts["main_job"]._growth(grown(0.2, 0.9), "duckdb"))
    assert "not judged" in capsys.readouterr().out


def test_the_exponent_is_that_of_the_law_the_points_follow(scripts: dict[str, ModuleType]) -> None:
    points = [(float(x), 5 * x**1.3) for x in (10, 100, 1000)]
    assert scripts["main_job"].slope(points) == pytest.approx(1.3)


def test_the_table_of_the_cost_page_is_what_the_estimate_says(scripts: dict[str, ModuleType]) -> None:
    table = scripts["cost_table"]
    page = table.PAGE.read_text(encoding="utf-8")
    assert table.BEGIN in page and table.END in page
    assert table.renewed(page) == page, "run `python bench/cost_table.py`"


def test_new_rates_replace_those_of_their_engine_alone(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    write, file = scripts["main_job"]._write_rates, tmp_path / "rates.json"
    runs = {name: asdict(replace(REFERENCE[0], engine=name)) for name in ("duckdb", "spark")}
    write(file, [{"observed": run} for run in runs.values()])
    write(file, [{"observed": {**runs["duckdb"], "run": "newer"}}])
    kept = json.loads(file.read_text(encoding="utf-8"))["observed"]
    assert [(run["engine"], run["run"]) for run in kept] == [("spark", runs["spark"]["run"]), ("duckdb", "newer")]
