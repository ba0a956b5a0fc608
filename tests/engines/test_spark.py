"""Spark itself: what is told where it is missing, that nothing of it is left, and Spark Connect."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.conftest import QUICK, require_s3a, require_spark
from tests.runs.cluster import cluster, connect_server

from potable.deployment import SparkSettings
from potable.errors import EnvironmentFailure

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark-runs")]
OPEN = """
import sys
from pathlib import Path
from potable import plugins
from potable.errors import PotableError

def opened(**settings):
    settings = {{"conf": {quick}, "scratch": Path(sys.argv[1]), **settings}}
    return plugins.load("engines", "spark")(memory=1 << 30, threads=1, **settings)

try:
    {work}
except PotableError as failure:
    print(failure.text())
"""


def told(work: str, folder: Path, *, within: Sequence[str] = (), **environment: str) -> str:
    """What a process of its own says that opens engines; it must not end by an error that is not ours."""
    script = OPEN.format(quick=QUICK, work=work.strip().replace("\n", "\n    "))
    call = [*within, sys.executable, "-c", script, str(folder)]
    given = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **environment}
    done = subprocess.run(call, env=given, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def spark() -> None:
    require_spark()


@pytest.mark.parametrize("package", ["pyspark", "py4j", "pandas"])
def test_a_missing_package_names_the_extra(tmp_path: Path, package: str) -> None:
    text = told(f"sys.modules[{package!r}] = None\nopened()", tmp_path)
    assert "error[E006]" in text and "pip install 'potable[spark]'" in text


def test_a_missing_java_is_told(tmp_path: Path) -> None:
    text = told("opened()", tmp_path, PATH=str(tmp_path), JAVA_HOME="")
    assert "error[E007]" in text and "Java 17" in text


@pytest.mark.parametrize("version", ["11.0.20", "1.8.0_402", ""])
def test_a_java_that_is_too_old_or_gone_is_told(tmp_path: Path, version: str) -> None:
    java = tmp_path / "bin" / "java"
    if version:
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2023-07-18' >&2\n")
        java.chmod(0o755)
    text = told("opened()", tmp_path, JAVA_HOME=str(tmp_path))
    found = {"11.0.20": "this is Java 11", "1.8.0_402": "this is Java 8", "": "there is no `java` in `JAVA_HOME`"}
    assert f"error[E007] Spark needs Java 17 or newer, but {found[version]}" in text


INTERRUPTED = """
import os, signal, threading
sys.stderr = sys.stdout
signal.signal(signal.SIGINT, signal.default_int_handler)
engine = opened()
threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    engine._opened.session.sql("SELECT count(*) FROM range(1000000000000)").collect()
except BaseException:
    print("interrupted")
engine.close()
"""


@pytest.mark.long
def test_a_machine_that_does_not_know_its_own_name_runs_spark(tmp_path: Path) -> None:
    """As containers are, and laptops in another network."""
    alone = ["unshare", "--uts", "sh", "-c", 'hostname nowhere-at-all && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("another name of this machine cannot be tried: `unshare --uts` needs root")
    work = "engine = opened()\nprint(engine._opened.session.range(3).count())\nengine.close()"
    assert told(work, tmp_path, within=alone) == "3\n"


def test_of_a_cluster_it_is_told_that_the_machine_does_not_know_its_own_name() -> None:
    from potable.engines.spark_refusals import not_started

    failure = not_started("yarn", RuntimeError("s3cr3t"), "java.net.UnknownHostException: s3cr3t")
    assert "SPARK_LOCAL_IP" in failure.hint and "s3cr3t" not in failure.text()


def test_an_interrupted_query_leaves_no_traceback_on_the_terminal(tmp_path: Path) -> None:
    assert told(INTERRUPTED, tmp_path) == "interrupted\n"


def test_a_master_out_of_reach_is_told(tmp_path: Path) -> None:
    text = told("opened(master='sc://127.0.0.1:9')", tmp_path)
    assert "error[E007]" in text and "Connect server" in text


def test_a_standalone_master_out_of_reach_is_told_at_once_unless_another_listens(tmp_path: Path) -> None:
    from potable.engines.spark import SparkEngine

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        SparkEngine.require(master=f"spark://127.0.0.1:9,127.0.0.1:{port}")
    for master in ("spark://127.0.0.1:9", f"spark://127.0.0.1:{port},127.0.0.1:9", "spark://nowhere.invalid:x"):
        with pytest.raises(EnvironmentFailure, match="no Spark master answers") as told:
            SparkEngine(memory=1 << 30, threads=1, scratch=tmp_path, master=master)
        assert told.value.retryable and list(tmp_path.iterdir()) == []


def test_yarn_without_its_configuration_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    text = told("opened(master='yarn')", tmp_path)
    assert "error[E007]" in text and "set HADOOP_CONF_DIR" in text


def test_a_user_without_a_name_is_told(tmp_path: Path) -> None:
    # what Java makes of one, as containers have them
    text = told("opened()", tmp_path, JAVA_TOOL_OPTIONS="-Duser.home=?")
    assert "error[E007]" in text and f"user id {os.getuid()} has no name" in text


def test_what_results_depend_on_cannot_be_set(tmp_path: Path) -> None:
    text = told("opened(conf={'spark.sql.ansi.enabled': 'false'})", tmp_path)
    assert "error[E007]" in text and "`spark.sql.ansi.enabled`" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_last_engine_to_close_ends_spark_and_a_new_one_starts_it_again(tmp_path: Path) -> None:
    work = """
import psutil
from potable.engines.base import collect
from tests.engines import functions as fn
for turn in range(2):
    one, two = opened(), opened()
    one.close()
    assert collect(two, two.map_items([5], fn.count_to, fn.NUMBERS)).num_rows == 5
    print("java" in {child.name() for child in psutil.Process().children()})
    two.close()
    print("java" in {child.name() for child in psutil.Process().children()}, list(Path(sys.argv[1]).iterdir()))
"""
    assert told(work, tmp_path).split() == ["True", "False", "[]"] * 2


LIFE = """
import os
import threading
import psutil
import pyarrow as pa
from potable.engines import spark_files
from potable.engines.base import collect
from tests.engines import functions as fn

os.umask(0o027)
seen, modes = set(), set()
def look():
    for path in Path(sys.argv[1]).rglob("spark.conf"):
        try:
            modes.add(oct(path.stat().st_mode & 0o777))
        except FileNotFoundError:
            pass
    for child in psutil.Process().children(recursive=True):
        try:
            seen.update(child.cmdline())
        except psutil.Error:
            pass
    # a child that was forked and has not become its program yet has the line of this process, which has the secret
    seen.difference_update(psutil.Process().cmdline())

done = threading.Event()
watching = threading.Thread(target=lambda: [look() for _ in iter(lambda: done.wait(0.02), True)])
watching.start()
odd = "s3cr\\\\et = #1: ü"
engine = opened(conf={"spark.hadoop.fs.s3a.secret.key": odd, "spark.executor.heartbeatInterval": "7s"})
done.set()
watching.join()
context, machine = engine._session.sparkContext, engine._session._jvm
print("begins:", any("SparkSubmit" in each for each in seen), any("s3cr" in each for each in seen))
print("begins:", modes, list(Path(sys.argv[1]).rglob("spark.conf")))
print("begins:", context.getConf().get("spark.hadoop.fs.s3a.secret.key") == odd)
print("begins:", machine.java.lang.System.getProperty("spark.hadoop.fs.s3a.secret.key") == odd)
print("begins:", machine.org.apache.spark.SparkEnv.get().securityManager().isAuthenticationEnabled())
print("begins:", machine.java.lang.System.getProperty("spark.executor.heartbeatInterval"))
print("begins:", Path(machine.java.lang.System.getProperty("java.io.tmpdir")).parent == Path(sys.argv[1]))

given = pa.table({"p": [0, 1, 1], "n": [3, 5, 7]})
for number, key in enumerate((None, "p")):
    made = engine.map_items([given], pa.Table.to_batches, given.schema)
    parts = engine.write(made, f"{sys.argv[1]}/out{number}", partition_by=key)
    files = [Path(sys.argv[1], f"out{number}", part.path) for part in parts]
    print("writes:", *(({oct(file.stat().st_mode & 0o777) for file in each}) for each in (files, [file.parent for file in files])))
for file in spark_files.CLASSES:
    compiler = machine.org.codehaus.janino.SimpleCompiler()
    compiler.cook(file.with_suffix(".java").read_text())
    print("compiled:", compiler.getBytecodes()[f"potable.{file.stem}"] == file.read_bytes())

# as it does when executors end as soon as they start; what is asked of it afterwards fails in another way
context._jsc.stop()
try:
    collect(engine, engine.map_items([5], fn.count_to, fn.NUMBERS))
except PotableError as failure:
    print("ends:", *failure.text().splitlines())
"""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What was told of a part of the life of one Spark, in a process of its own: its start takes longer than all of it."""
    require_spark()
    folder = tmp_path_factory.mktemp("life")
    chmod, asked = folder / "bin" / "chmod", folder / "asked"
    chmod.parent.mkdir()
    chmod.write_text(f'#!/bin/sh\necho "chmod: $@" >> {asked}\nexec {shutil.which("chmod")} "$@"\n')
    chmod.chmod(0o755)
    text = told(LIFE, folder / "a b # 50%", PATH=f"{chmod.parent}{os.pathsep}{os.environ['PATH']}")
    text += asked.read_text() if asked.exists() else ""
    return lambda part: "\n".join(re.findall(rf"^{part}: (.*)$", text, re.MULTILINE))


def test_nobody_else_on_the_machine_sees_the_configuration_or_is_let_in(life: Callable[[str], str]) -> None:
    assert life("begins").split() == ["True", "False", "{'0o600'}", "[]", "True", "True", "True", "7s", "True"]


def test_files_have_the_permissions_of_the_umask_and_take_no_process_each(life: Callable[[str], str]) -> None:
    assert life("writes").splitlines() == ["{'0o640'} {'0o750'}"] * 2
    assert "/out" not in life("chmod")


def test_our_classes_are_what_becomes_of_the_sources_beside_them(life: Callable[[str], str]) -> None:
    assert life("compiled").split() == ["True", "True"]


def test_a_spark_that_ended_by_itself_is_told(life: Callable[[str], str]) -> None:
    assert "error[E007] Spark, or one of its workers, died" in life("ends")


@pytest.mark.long
def test_a_cluster_that_gives_no_executor_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=0) as empty:
        section = SparkSettings(**json.loads(empty.settings())).options()
        work = f"""
from potable.engines import spark_executors
spark_executors.PATIENCE = 3.0
try:
    opened(master={section["master"]!r}, conf={section["conf"]!r})
except PotableError as failure:
    print(failure.retryable, list(Path(sys.argv[1]).iterdir()))
    raise
"""
        text = told(work, tmp_path / "scratch")
    assert text.startswith("True []\n") and "error[E007] the cluster provided no executor within 0.05 minutes" in text


@pytest.mark.long
def test_a_cluster_that_loses_its_executors_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=1) as machines:
        section = SparkSettings(**json.loads(machines.settings())).options()
        work = f"""
import threading
import psutil
from potable.engines import spark_executors
spark_executors.PATIENCE = 6.0
engine = opened(master={section["master"]!r}, conf={section["conf"]!r})
print(engine._session.range(7).count())

def lose():
    worker = psutil.Process({machines.workers[0].pid})
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()

threading.Timer(2, lose).start()
frame = engine._session.range(10**13).selectExpr("sum(id * 2)")
engine._guarded(frame.collect)
"""
        text = told(work, tmp_path / "scratch")
    assert text.startswith("7") and "error[E007] the cluster provided no executor within 0.1 minutes" in text


def test_a_java_that_does_not_run_is_told(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\nexit 1\n")
    java.chmod(0o755)
    text = told("opened()", tmp_path / "scratch", JAVA_HOME=str(tmp_path))
    assert "error[E007] Spark cannot start (JAVA_GATEWAY_EXITED)" in text and "does `java -version` work" in text


def test_a_scratch_folder_without_room_is_told(tmp_path: Path) -> None:
    work = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
opened()
"""
    text = told(work, tmp_path)
    assert "error[E007] Spark cannot start (file too large)" in text and "of the scratch folder" in text
    assert list(tmp_path.iterdir()) == []


KILLED = """
import psutil
from potable.engines.base import collect
from tests.engines import functions as fn
sys.stderr = sys.stdout
engine = opened()
made = engine.map_items([5], fn.count_to, fn.NUMBERS)
print(collect(engine, made).num_rows)
(java,) = [child for child in psutil.Process().children() if child.name() == "java"]
java.kill()
java.wait()
for work in (
    lambda: collect(engine, engine.map_items([5], fn.count_to, fn.NUMBERS)),
    lambda: engine.map_batches(made, fn.squared, fn.SQUARES),
    lambda: engine.write(made, f"{sys.argv[1]}/made", partition_by="n"),
):
    try:
        work()
    except PotableError as failure:
        print(failure.code, failure.retryable)
engine.close()
print(list(Path(sys.argv[1]).iterdir()))
again = opened()
print(collect(again, again.map_items([7], fn.count_to, fn.NUMBERS)).num_rows)
again.close()
"""


def test_a_java_that_was_killed_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """As a machine without memory does it."""
    assert told(KILLED, tmp_path).splitlines() == ["5", *["E007 True"] * 3, "[]", "7"]


def test_a_missing_connector_is_told_before_any_work(tmp_path: Path) -> None:
    from potable.engines import spark_stores

    text = told("opened(stores=('s3://lake/open',))", tmp_path)
    assert "error[E007]" in text and all(package in text for package in spark_stores.PACKAGES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "any_store",
    ["object_store", *(pytest.param(name, marks=pytest.mark.long) for name in ("azure_store", "google_store"))],
    indirect=True,
)
def test_folders_of_stores_do_what_local_ones_do(tmp_path: Path, any_store: str) -> None:
    scheme = any_store.partition("://")[0]
    conf = {**QUICK, "spark.jars": require_s3a()} if scheme == "s3" else QUICK
    work = f"""
from potable.engines.base import collect, scalars
from potable.store.objects import Store
from tests.engines.test_conformance import KINDS
import pyarrow as pa
import pyarrow.parquet as pq

root = {any_store!r} + "/engine"
engine = opened(conf={conf!r}, stores=(root,))
given = pa.table({{"p": [0, 1, 1], "n": [3, 5, 7]}})

def made():
    return engine.map_items([given], pa.Table.to_batches, given.schema)

whole = engine.write(made(), f"{{root}}/a b/whole", order_by=["n"])
read = engine.read([f"{{root}}/a b/whole/{{part.path}}" for part in whole], given.schema)
assert sum(part.rows for part in whole) == 3 and all(Store(root).size(f"a b/whole/{{part.path}}") == part.bytes for part in whole)
assert collect(engine, read.order_by("n")) == given
parts = engine.write(read, f"{{root}}/parts", partition_by="p")
assert [(part.partition, part.rows) for part in parts] == [(0, 1), (1, 2)], parts
found = engine.read([f"{{root}}/parts/{{part.path}}" for part in parts], given.schema.remove(0))
assert scalars(engine, found.agg(n=found.n.sum())) == {{"n": 15}}
assert engine.write(read.filter(read.n > 9), f"{{root}}/none", partition_by="p") == []
kinds = engine.write(engine.map_items([KINDS], pa.Table.to_batches, KINDS.schema), f"{{root}}/kinds")
read_again = engine.read([f"{{root}}/kinds/{{part.path}}" for part in kinds], KINDS.schema)
assert collect(engine, read_again.order_by("text")) == KINDS.sort_by("text")
numbers = pa.table({{"n": [n * 7919 % 10007 for n in range(10007)]}})
many = engine.map_items([numbers.slice(start, 1000) for start in range(0, 10007, 1000)], pa.Table.to_batches, numbers.schema)
ordered = engine.write(many, f"{{root}}/ordered", order_by=["n"])
assert [part.path for part in ordered] == sorted(part.path for part in ordered)
files = [pq.read_table(Store(root).open(f"ordered/{{part.path}}"), partitioning=None) for part in ordered]
assert pa.concat_tables(files)["n"].to_pylist() == list(range(10007))
names = {{f"kinds/{{part.path}}" for part in kinds}} | {{f"ordered/{{part.path}}" for part in ordered}} | {{f"a b/whole/{{part.path}}" for part in whole}} | {{f"parts/{{part.path}}" for part in parts}}
assert {{path for path in Store(root).list("") if path not in ("none", "ordered")}} == names
nowhere = engine.map_items([given.set_column(0, "p", pa.array([1, None, 1]))], pa.Table.to_batches, given.schema)
for failing in (
    lambda: engine.write(nowhere, f"{{root}}/nowhere", partition_by="p"),
    lambda: engine.write(read, "{scheme}://nowhere/x"),
    lambda: collect(engine, engine.read([f"{{root}}/gone.parquet"], given.schema)),
):
    try:
        failing()
    except PotableError as failure:
        print(failure.code)
told = engine._session.sparkContext.getConf().getAll()
print([value for _, value in told if "s3cr3t" in value])
engine.close()
"""
    assert told(work, tmp_path, AWS_SECRET_ACCESS_KEY="s3cr3t").split() == ["X001", "E004", "E004", "[]"]


def test_the_jars_tried_are_those_told_of() -> None:
    import pyspark

    from potable.engines import spark_stores

    pom = ElementTree.parse(Path(__file__).with_name("s3a") / "pom.xml")
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = [
        ":".join(node.findtext(f"{space}{part}", "") for part in ("groupId", "artifactId", "version"))
        for node in pom.iter(f"{space}dependency")
    ]
    assert tuple(found) == spark_stores.PACKAGES
    documented = re.sub(r"\\\n *", "", (ROOT / "docs" / "spark.md").read_text())
    assert ",".join(found) in documented and spark_stores.EXCLUDED in documented
    version = found[0].rpartition(":")[2]
    assert (Path(pyspark.__file__).parent / "jars" / f"hadoop-client-api-{version}.jar").exists()


@pytest.mark.slow
def test_a_connect_server_runs_batch_functions_whose_code_it_does_not_have(tmp_path: Path) -> None:
    work = """
from functools import partial
from potable.engines.base import collect, scalars
from potable.engines.spark_tasks import ITEMS
from potable.features.spine import _DRAW_SCHEMA, draw, number_of
from potable.sources.groups import OBSERVED, observe_group
import pyarrow as pa

engine = opened(master=sys.argv[2])
counts = pa.table({"s": ["a", "b"], "n": [3, 5]})
made = engine.map_items([counts], pa.Table.to_batches, counts.schema)
parts = engine.write(made, f"{sys.argv[1]}/made")
read = engine.read([f"{sys.argv[1]}/made/{part.path}" for part in parts], counts.schema)
picks = collect(engine, engine.map_batches(read, partial(draw, seed=7), _DRAW_SCHEMA)).to_pylist()
assert {row["_subject"]: row["_pick"] for row in picks} == {"a": number_of("a", 7) % 3, "b": number_of("b", 7) % 5}
assert scalars(engine, read.agg(n=read.n.sum())) == {"n": 8}
try:
    collect(engine, engine.map_batches(read, partial(draw, seed=7), OBSERVED))
except TypeError as failure:
    print(failure)
engine.close()
"""
    (tmp_path / "server").mkdir()
    with connect_server(tmp_path / "server") as url:
        text = told(work.replace("sys.argv[2]", repr(url)), tmp_path)
    assert "another schema" in text


@pytest.mark.long
def test_a_connect_server_reads_and_writes_what_python_reaches(tmp_path: Path, google_store: str) -> None:
    work = """
from potable.engines.base import collect
import pyarrow as pa

root = sys.argv[3]
engine = opened(master=sys.argv[2], conf={}, stores=(root,))
given = pa.table({"p": [0, 1, 1], "n": [3, 5, 7]})
made = engine.map_items([given], pa.Table.to_batches, given.schema)
parts = engine.write(made, f"{root}/connect/whole", order_by=["n"])
read = engine.read([f"{root}/connect/whole/{part.path}" for part in parts], given.schema)
print(collect(engine, read.order_by("n")) == given)
print([(part.partition, part.rows) for part in engine.write(read, f"{root}/connect/parts", partition_by="p")])
engine.close()
"""
    (tmp_path / "server").mkdir()
    with connect_server(tmp_path / "server") as url:
        text = told(work.replace("sys.argv[2]", repr(url)).replace("sys.argv[3]", repr(google_store)), tmp_path)
    assert text.splitlines() == ["True", "[(0, 1), (1, 2)]"]
