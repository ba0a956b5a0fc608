"""What results mean does not depend on who set up Spark: a cluster's defaults, its machines, or a project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import require_spark
from tests.engines.test_spark import told
from tests.runs.cluster import connect_server

from potable.deployment import Platform, SparkSettings
from potable.engines.spark_meaning import MEANING, refused

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark-runs")]
OTHERWISE = {
    **{key: {"true": "false", "false": "true"}.get(value, "LEGACY") for key, value in MEANING.items()},
    "spark.sql.session.timeZone": "Asia/Kolkata",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.sources.partitionOverwriteMode": "DYNAMIC",
    "spark.sql.parser.escapedStringLiterals": "true",
    "spark.sql.parser.quotedRegexColumnNames": "true",
    "spark.sql.legacy.statisticalAggregate": "true",
    "spark.sql.legacy.timeParserPolicy": "LEGACY",
    "spark.sql.legacy.setopsPrecedence.enabled": "true",
}
ASKED = r"""
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from datetime import datetime
from potable.engines import casing
from potable.engines.base import collect

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
table = pa.table({"n": [1, 2], "é`\"": ["istanbul é", "${env:HOME} ${x} \\d '"], "at": [datetime(1500, 1, 1), datetime(2024, 3, 31, 2, 30)]})
pq.write_table(table, folder / "rows.parquet")
engine = opened(**settings)
rows = engine.read([str(folder / "rows.parquet")], table.schema)
text = rows[table.column_names[1]]
asked = rows.select("n", same=text == ibis.literal(table[1][1].as_py()), up=casing.upper(text), at=rows.at.cast("string"),
    day=ibis.literal("2024-02-29").cast("date"), found=text.re_search("\\\\d"))
for row in collect(engine, asked.order_by("n")).to_pylist():
    print(row)
alone = rows.group_by("n").agg(spread=rows.n.std(), of=rows.n.sum()).order_by("n")
print(collect(engine, alone.cross_join(rows.filter(rows.n == 1).select(m=rows.n)).order_by("n")).to_pylist())
(folder / "gone.parquet").write_text("no rows")
for name in ("gone.parquet", "nowhere.parquet"):
    try:
        print(name, collect(engine, engine.read([str(folder / name)], table.schema)).num_rows)
    except PotableError as failure:
        print(name, failure.code)
engine.close()
"""
ANSWERS = [
    "{'n': 1, 'same': False, 'up': 'ISTANBUL É', 'at': '1500-01-01 00:00:00', 'day': datetime.date(2024, 2, 29), 'found': False}",
    "{'n': 2, 'same': True, 'up': \"${ENV:HOME} ${X} \\\\D '\", 'at': '2024-03-31 02:30:00', 'day': datetime.date(2024, 2, 29), "
    "'found': True}",
    "[{'n': 1, 'spread': None, 'of': 1, 'm': 1}, {'n': 2, 'spread': None, 'of': 2, 'm': 1}]",
    "gone.parquet E004",
    "nowhere.parquet E004",
]


@pytest.fixture(autouse=True)
def spark() -> None:
    require_spark()


def test_defaults_of_a_cluster_and_the_language_of_its_machines_change_no_result(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    defaults = "".join(f"{key} {value}\n" for key, value in OTHERWISE.items())
    (tmp_path / "conf" / "spark-defaults.conf").write_text(defaults)
    language = "-Duser.language=tr -Duser.country=TR -Duser.timezone=America/New_York"
    variables = {"SPARK_CONF_DIR": str(tmp_path / "conf"), "JAVA_TOOL_OPTIONS": language}
    assert told("settings = {}" + ASKED, tmp_path / "scratch", **variables).splitlines() == ANSWERS


@pytest.mark.long
def test_settings_of_a_connect_server_change_no_result(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with connect_server(tmp_path / "server", OTHERWISE) as url:
        settings = json.dumps({"master": url})
        assert told(f"settings = {settings}" + ASKED, tmp_path).splitlines() == ANSWERS
        secret = {"spark.hadoop.fs.s3a.secret.key": "s3cr3t", "spark.executor.memory": "3g"}
        text = told(f"sys.stderr = sys.stdout\nopened(master={url!r}, conf={secret}).close()", tmp_path)
    assert "the Spark Connect server keeps its own spark.executor.memory" in text
    assert "s3cr3t" not in text and "3g" not in text


@pytest.mark.long
def test_a_connect_server_of_another_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    turkish = {"spark.driver.extraJavaOptions": "-Duser.language=tr -Duser.country=TR"}
    with connect_server(tmp_path / "server", turkish) as url:
        text = told(f"opened(master={url!r})", tmp_path)
    assert "error[E007] the Spark Connect server changes the case of letters as another language does" in text


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("spark.sql.ansi.enabled", False, "true"),
        ("spark.sql.session.timeZone", "Europe/Berlin", "UTC"),
        ("spark.sql.legacy.timeParserPolicy", "LEGACY", ""),
        ("spark.sql.files.ignoreMissingFiles", True, "false"),
    ],
)
def test_a_setting_that_would_change_results_is_found_in_the_project_file(
    key: str, value: object, allowed: str
) -> None:
    assert refused({key: str(value).lower()}) == (key, allowed)
    with pytest.raises(ValueError, match=f"`{key}` would change results"):
        SparkSettings.model_validate({"conf": {key: value}})


def test_other_settings_and_the_same_value_may_stand_in_the_project_file() -> None:
    given = {"spark.sql.ansi.enabled": True, "spark.sql.adaptive.enabled": False, "spark.executor.memory": "8g"}
    assert SparkSettings.model_validate({"conf": given}).options()["conf"] == {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.adaptive.enabled": "false",
        "spark.executor.memory": "8g",
    }


@pytest.mark.parametrize(
    ("key", "meant"),
    [("executor.memory", "spark.executor.memory"), ("fs.s3a.endpoint", "spark.hadoop.fs.s3a.endpoint")],
)
def test_a_setting_that_spark_would_leave_out_without_a_word_is_found_in_the_project_file(key: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"`{key}` .* such as `{meant}`"):
        SparkSettings.model_validate({"conf": {"spark.ui.enabled": False, key: "1g"}})


@pytest.mark.parametrize("place", ["s3://lake/scratch", "file:///scratch"])
def test_scratch_is_a_folder(place: str) -> None:
    """A URL became a folder `s3:` of the project, and Spark did not start."""
    with pytest.raises(ValueError, match="write the path of a folder"):
        Platform.model_validate({"project": "p", "scratch": place})


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"master": "spark-master:7077"}, "write a master such as"),
        ({"master": "sc://host:15002"}, "write a master such as"),
        ({"remote": "http://host:15002"}, "such as sc://host:15002"),
    ],
)
def test_a_url_that_is_none_of_spark_is_found_in_the_project_file(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SparkSettings.model_validate(given)


@pytest.mark.parametrize("master", ["", "local", "local[2]", "spark://a:7077,b:7077", "yarn", "k8s://https://a:6443"])
def test_masters_of_spark_may_stand_there(master: str) -> None:
    assert SparkSettings.model_validate({"master": master}).options()["master"] == master


@pytest.mark.long
def test_a_setting_with_a_value_that_spark_cannot_read_is_named(tmp_path: Path) -> None:
    wrong = {"spark.sql.shuffle.partitions": "lots", "spark.driver.memory": "512m"}
    text = told(f"opened(conf={wrong})", tmp_path)
    assert "error[E007] Spark refuses the value of `spark.sql.shuffle.partitions`" in text and "lots" not in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "hint"), [("abc", "is `spark.driver.memory`"), ("300m", "must be at least 450m")])
def test_a_heap_that_java_or_spark_cannot_start_with_is_told(tmp_path: Path, size: str, hint: str) -> None:
    text = told(f"opened(conf={{'spark.driver.memory': {size!r}}})", tmp_path)
    assert "error[E007] Spark cannot start" in text and hint in text
