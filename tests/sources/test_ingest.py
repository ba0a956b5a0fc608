"""Landing: once, whole, and found again."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from tests.sources.objects import raw_zone

from potable.errors import EnvironmentFailure
from potable.sources import packs
from potable.sources.base import Source
from potable.sources.csv import CsvSource
from potable.sources.ingest import Ingested, Landing, current, ingest
from potable.sources.landed import Arrival, Held, Landed
from potable.sources.onwards import State
from potable.sources.storing import SMALL
from potable.tables import Table


@dataclass
class World:
    """A folder of exports and the raw zone they are landed in."""

    folder: Path
    lake: Path
    tables: dict[str, Any] = field(default_factory=lambda: {"t": {"columns": {"a": {}}}})

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def landing(self) -> Landing:
        return raw_zone(self.lake)

    def source(self, path: str = "**/*") -> CsvSource:
        keys = {"source": "s", "type": "csv", "path": f"{self.folder}/{path}", "tables": self.tables}
        return CsvSource.model_validate(keys)

    def ingest(self, made: Source[Any] | None = None, **keys: Any) -> Ingested:
        return ingest(made or self.source(), self.landing(), base=self.folder, **{"threads": 2, **keys})

    def objects(self) -> list[Path]:
        """Whole objects: a kill can leave one that was only begun, under a name with a #."""
        found = (self.lake / "raw/s/objects").rglob("*")
        return sorted(path for path in found if path.is_file() and "#" not in path.name)

    def packs(self) -> dict[str, int]:
        """Packs and when they were written."""
        return {path.name: path.stat().st_mtime_ns for path in (self.lake / "raw/s").glob("packs/*")}

    def content(self, landed: Landed) -> bytes:
        (blob,) = self.source().blobs([landed], str(self.lake))
        with blob.open() as stream:
            return stream.read()


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "exports").mkdir()
    return World(tmp_path / "exports", tmp_path / "lake")


def test_everything_is_landed_under_the_hash_of_the_original(world: World) -> None:
    data = b"a;b\r\n" + b"1;2\r\n" * 1000
    world.write("2020/x.csv", data)
    made = world.ingest()
    (landed,) = made.objects
    assert (made.batch, made.new_objects, made.new_bytes, made.bytes) == (1, 1, len(data), len(data))
    assert (landed.name, landed.tables, landed.bytes) == ("2020/x.csv", ("t",), len(data))
    assert landed.sha256 == hashlib.sha256(data).hexdigest()
    assert landed.sha256 in landed.path
    assert landed.stored == (world.lake / landed.path).stat().st_size < len(data)
    assert world.content(landed) == data


def test_landing_again_adds_nothing(world: World) -> None:
    for name in ("x.csv", "y.csv", "empty.csv"):
        world.write(name, name.encode() * (name != "empty.csv"))
    first = world.ingest()
    before = [(path, path.stat().st_mtime_ns) for path in world.objects()]
    again = world.ingest()
    assert (again.batch, again.objects, again.new_objects, again.new_bytes) == (1, first.objects, 0, 0)
    assert [(path, path.stat().st_mtime_ns) for path in world.objects()] == before


def test_an_unchanged_stamp_saves_the_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("x.csv", b"1")
    world.ingest()
    monkeypatch.setattr(Path, "open", lambda *args, **keys: pytest.fail("the file was opened"))
    assert world.ingest().new_objects == 0


def test_a_touched_file_is_no_news(world: World) -> None:
    path = world.write("x.csv", b"1")
    first = world.ingest()
    os.utime(path, ns=(1, 1))
    again = world.ingest()
    assert (again.batch, again.new_objects, again.objects[0].sha256) == (1, 0, first.objects[0].sha256)
    world.write("y.csv", b"2")
    assert (world.ingest().batch, world.ingest().new_objects) == (2, 0)
    assert {landed.name: landed.stamp for landed in current(world.landing().log).objects.values()}["x.csv"].endswith(
        "-1"
    )


def test_an_object_says_which_batch_it_came_with_until_its_content_changes(world: World) -> None:
    def batches() -> dict[str, int]:
        made = world.ingest().objects
        read = current(world.landing().log).objects
        assert read == {landed.name: landed for landed in made}
        return {landed.name: landed.batch for landed in made}

    paths = [world.write(name, b"a\n" + name.encode()) for name in ("x.csv", "y.csv")]
    assert batches() == {"x.csv": 1, "y.csv": 1}
    world.write("a.csv", b"a\n3")
    os.utime(paths[0], ns=(1, 1))
    assert batches() == {"a.csv": 2, "x.csv": 1, "y.csv": 1}
    paths[1].write_bytes(b"a\nchanged")
    assert batches() == {"a.csv": 2, "x.csv": 1, "y.csv": 3}
    assert batches() == {"a.csv": 2, "x.csv": 1, "y.csv": 3}


def test_an_object_that_was_gone_and_comes_back_is_of_its_first_batch(world: World) -> None:
    one, two = Arrival("t-1", ("t",), Held(b"1")), Arrival("t-2", ("t",), Held(b"2"))
    for offered in ([one, two], [one], [one, two]):
        made = world.ingest(offering(*offered))
    assert {landed.name: landed.batch for landed in made.objects} == {"t-1": 1, "t-2": 1}


def test_a_changed_file_adds_one_object_and_one_batch(world: World) -> None:
    world.write("x.csv", b"1")
    world.write("y.csv", b"2")
    world.ingest()
    world.write("x.csv", b"changed")
    made = world.ingest()
    assert (made.batch, made.new_objects, made.new_bytes) == (2, 1, 7)
    assert [world.content(landed) for landed in made.objects] == [b"changed", b"2"]
    assert len(world.objects()) == 3


def test_files_that_are_gone_stay_landed(world: World) -> None:
    path = world.write("x.csv", b"1")
    world.write("y.csv", b"2")
    world.ingest()
    path.unlink()
    made = world.ingest()
    assert (made.batch, [landed.name for landed in made.objects]) == (1, ["x.csv", "y.csv"])


def test_the_same_content_under_two_names_is_stored_once(world: World) -> None:
    for name in ("x.csv", "y.csv", "z/x.csv"):
        world.write(name, b"same" * 100)
    made = world.ingest()
    assert (made.new_objects, len(world.objects())) == (3, 1)


def test_a_file_may_serve_several_tables(world: World) -> None:
    columns = {"columns": {"a": {}}}
    world.tables = {"all": columns, "some": {"files": "x*", **columns}}
    world.write("x.csv", b"1")
    world.write("y.csv", b"2")
    made = world.ingest(world.source(""))
    assert [(landed.name, landed.tables) for landed in made.objects] == [
        ("x.csv", ("all", "some")),
        ("y.csv", ("all",)),
    ]
    world.tables["some"] = columns
    assert world.ingest(world.source("")).batch == 2


@pytest.mark.parametrize(
    ("data", "zstd"),
    [
        (gzip.compress(b"x", mtime=0), False),
        (bz2.compress(b"x"), False),
        (pa.compress(b"x", "zstd", asbytes=True), False),
        (b"PK\x03\x04rest", False),
        (b"PAR1rest", False),
        (b"PAY_DATE;X\n", True),
        (b"PK_ID;X\n", True),
        (b"BZ;X\n", True),
        (b"", True),
        (b"<x/>", True),
    ],
)
def test_what_is_packed_already_is_stored_as_it_is(world: World, data: bytes, zstd: bool) -> None:
    world.write("x", data)
    (landed,) = world.ingest().objects
    assert (landed.zstd, landed.path.endswith(".zst")) == (zstd, zstd)
    assert world.content(landed) == data
    assert zstd or (world.lake / landed.path).read_bytes() == data


def test_hidden_and_lock_files_are_not_data(world: World) -> None:
    for name in (".DS_Store", "~$x.csv", ".x.csv.part", "x.csv"):
        world.write(name, b"1")
    assert [landed.name for landed in world.ingest().objects] == ["x.csv"]


@pytest.mark.parametrize("name", ["a b.csv", "é#%41?.csv", "[x]*.csv", "'\".csv", "new\nline.csv", b"latin-\xe9.csv"])
def test_odd_names_are_landed(world: World, name: str | bytes) -> None:
    path = os.fsencode(world.folder) + b"/" + os.fsencode(name)
    Path(os.fsdecode(path)).write_bytes(b"1")
    (landed,) = world.ingest(world.source("")).objects
    assert landed.name == (name if isinstance(name, str) else "latin-\\xe9.csv")
    assert world.ingest(world.source("")).new_objects == 0


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(world: World) -> None:
    world.write("[2020]/x*.csv", b"1")
    world.write("2/xy.csv", b"2")
    assert [landed.name for landed in world.ingest(world.source("[2020]")).objects] == ["x*.csv"]
    assert [landed.name for landed in world.ingest(world.source("[2020]/x*.csv")).objects if landed.name == "x*.csv"]


@pytest.mark.parametrize("path", ["nope", "nope/*.csv", "*.nope"])
def test_no_file_is_an_environment_failure(world: World, path: str) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        world.ingest(world.source(path))
    assert caught.value.code == "E002"


@pytest.mark.parametrize(
    ("path", "files", "hint"),
    [
        ("days", None, "**/*"),
        (".", "x.*", "**/x.*"),
        ("days", "*.json", ""),
        ("no", None, ""),
        ("days/*.json", None, ""),
    ],
)
def test_files_that_lie_deeper_are_told(world: World, path: str, files: str | None, hint: str) -> None:
    world.write("days/2024/x.csv", b"1")
    table = {**world.tables["t"], **({"files": files} if files else {})}
    with pytest.raises(EnvironmentFailure) as caught:
        world.ingest(replace(world, tables={"t": table}).source(path))
    assert (f'`files: "{hint}"`' in caught.value.hint) == bool(hint)
    assert bool(hint) != ("check `path`" in caught.value.hint)


def test_a_file_that_vanishes_or_cannot_be_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("x.csv", b"1")
    for failure, code in ((FileNotFoundError(2, "gone"), "E002"), (PermissionError(13, "no"), "E001")):

        def broken(self: Path, *args: Any, failure: OSError = failure) -> Any:
            raise failure

        with monkeypatch.context() as patch, pytest.raises(EnvironmentFailure) as caught:
            patch.setattr(Path, "open", broken)
            world.ingest()
        assert caught.value.code == code
    assert world.landing().log.last() == (0, None)


class Offer(Source[Table]):
    """A source whose arrivals are given."""

    snapshot: ClassVar[bool] = True
    offered: ClassVar[list[Arrival]] = []

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        yield from self.offered


def offering(*arrivals: Arrival) -> Offer:
    made = Offer.model_validate({"source": "s", "type": "offer", "tables": {"t": {"columns": {"a": {}}}}})
    Offer.offered = list(arrivals)
    return made


def test_what_a_snapshot_no_longer_offers_is_gone(world: World) -> None:
    one, two = (Arrival(name, ("t",), Held(name.encode())) for name in ("t-1", "t-2"))
    assert world.ingest(offering(one, two)).batch == 1
    made = world.ingest(offering(one))
    assert (made.batch, made.new_objects, [landed.name for landed in made.objects]) == (2, 0, ["t-1"])
    assert world.ingest(offering(one)).batch == 2
    assert [landed.name for landed in world.ingest(offering(one, two)).objects] == ["t-1", "t-2"]
    assert world.ingest(offering()).objects == ()


def test_a_name_offered_twice_is_refused(world: World) -> None:
    same = Arrival("t", ("t",), Held(b"1"))
    with pytest.raises(EnvironmentFailure, match="twice"):
        world.ingest(offering(same, same))
    assert world.landing().log.last() == (0, None)


def test_a_large_file_that_changes_while_it_is_landed_is_not_committed(world: World) -> None:
    """A small one is read once, so what is hashed is what is stored."""
    size = 15 << 20
    contents = iter([os.urandom(size), os.urandom(size)])
    with pytest.raises(EnvironmentFailure, match="changed while") as caught:
        world.ingest(offering(Arrival("x", ("t",), lambda: io.BytesIO(next(contents)))))
    assert caught.value.retryable
    assert world.landing().log.last() == (0, None)
    assert world.objects() == []


def test_a_source_that_breaks_off_commits_nothing_and_is_found_again(world: World) -> None:
    class Breaking(Offer):
        def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
            yield from self.offered
            raise EnvironmentFailure("the server went away", "E001")

    good = [Arrival(f"t-{n}", ("t",), Held(b"%d" % n)) for n in range(5)]
    Offer.offered = good
    keys = {"source": "s", "type": "offer", "tables": {"t": {"columns": {"a": {}}}}}
    with pytest.raises(EnvironmentFailure, match="went away"):
        world.ingest(Breaking.model_validate(keys))
    assert world.landing().log.last() == (0, None)
    assert world.ingest(offering(*good)).new_objects == 5


def test_two_runs_at_once_do_not_harm_one_another(world: World) -> None:
    world.write("x.csv", b"1")
    late = world.landing()
    original = late.log.append

    def append(entry: dict[str, Any], *, parent: int) -> int:
        world.ingest()
        return original(entry, parent=parent)

    late.log.append = append  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFailure) as caught:
        ingest(world.source(), late, base=world.folder)
    assert caught.value.code == "E005"
    assert (world.ingest().batch, len(world.objects())) == (1, 1)


def test_progress_is_told(world: World) -> None:
    for n in range(20):
        world.write(f"{n}.csv", b"x" * n)
    told: list[tuple[int, int]] = []
    world.ingest(progress=lambda objects, size: told.append((objects, size)))
    assert (len(told), sum(size for _, size in told)) == (20, sum(range(20)))


RUN = """
import sys, time
from pathlib import Path
from tests.sources import peak
from tests.sources.test_ingest import World
world = World(Path(sys.argv[1]), Path(sys.argv[2]))
if len(sys.argv) > 3:
    def progress(objects, size):
        print("landed", flush=True)
        time.sleep(float(sys.argv[3]))
    world.ingest(progress=progress)
else:
    world.ingest()
print(peak.megabytes())
"""


def started(world: World, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, str(world.folder), str(world.lake), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_killed_landing_is_continued(world: World) -> None:
    for n in range(300):
        world.write(f"{n:03d}.csv", os.urandom(SMALL + 1))
    with started(world, "0.05") as run:
        assert run.stdout is not None
        for _ in range(5):
            run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    assert world.landing().log.last() == (0, None)
    left = {path: path.stat().st_mtime_ns for path in world.objects()}
    assert 0 < len(left) < 300
    made = world.ingest()
    assert (made.batch, made.new_objects, len(world.objects())) == (1, 300, 300)
    assert {path: path.stat().st_mtime_ns for path in left} == left
    for landed in made.objects:
        assert world.content(landed) == (world.folder / landed.name).read_bytes()


def test_many_small_objects_are_stored_in_packs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "FULL", 12_000)
    monkeypatch.setattr(packs, "FEWEST", 2)
    for n in range(60):
        world.write(f"{n:02d}.csv", os.urandom(500) if n % 2 else b"the same")
    world.write("large.csv", os.urandom(SMALL + 1))
    made = world.ingest()
    assert (len(world.packs()), len(world.objects())) == (2, 1)
    assert [landed.name for landed in made.objects if landed.at is None] == ["large.csv"]
    for landed in made.objects:
        data = (world.folder / landed.name).read_bytes()
        assert (world.content(landed), landed.sha256) == (data, hashlib.sha256(data).hexdigest())
    same = {(landed.path, landed.at) for landed in made.objects if landed.bytes == 8}
    assert len(same) == 2
    assert current(world.landing().log).objects == {landed.name: landed for landed in made.objects}
    world.write("00.csv", b"changed")
    assert (world.ingest().new_objects, len(world.packs()), len(world.objects())) == (1, 2, 2)


def test_packs_of_a_landing_that_broke_off_are_found_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "FULL", 20_000)
    for n in range(200):
        world.write(f"{n:03d}.csv", os.urandom(1000))
    seen = 0

    def progress(objects: int, size: int) -> None:
        nonlocal seen
        seen += objects
        if seen == 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.ingest(progress=progress)
    assert world.landing().log.last() == (0, None)
    left = world.packs()
    assert 1 < len(left) < 10
    made = world.ingest()
    assert (made.new_objects, len(world.packs())) == (200, 10)
    assert world.packs().items() >= left.items()
    for landed in made.objects:
        assert world.content(landed) == (world.folder / landed.name).read_bytes()


@pytest.mark.parametrize("damage", [lambda pack: pack.unlink(), lambda pack: pack.write_bytes(pack.read_bytes()[:-1])])
def test_a_pack_that_is_gone_or_cut_is_told(world: World, damage: Callable[[Path], object]) -> None:
    for n in range(20):
        world.write(f"{n:02d}.csv", b"a,b\n%d,2\n" % n)
    made = world.ingest()
    damage(next((world.lake / "raw/s/packs").iterdir()))
    with pytest.raises(EnvironmentFailure) as caught:
        world.content(made.objects[-1])
    assert (caught.value.code, "packs/" in caught.value.given) == ("E002", True)


def test_a_large_file_needs_little_memory(world: World) -> None:
    block = b"".join(b"%d;some text;2020-01-31\n" % n for n in range(40_000))
    with (world.folder / "big.csv").open("wb") as file:
        for _ in range((200 << 20) // len(block)):
            file.write(block)
    with started(world) as run:
        assert run.stdout is not None
        megabytes = int(run.stdout.read())
    assert run.returncode == 0
    assert megabytes < 260
    assert world.objects()[0].stat().st_size < 100 << 20


def test_many_small_files_land_at_a_good_rate(world: World) -> None:
    for n in range(3000):
        world.write(f"{n % 20}/{n}.csv", b"a\n%d\n" % n)
    start = time.perf_counter()
    assert world.ingest().new_objects == 3000
    landed = time.perf_counter()
    assert world.ingest().new_objects == 0
    again = time.perf_counter()
    assert landed - start < 15
    assert again - landed < 3


def test_an_object_that_comes_back_as_it_was_is_of_the_batch_it_first_came_with(world: World) -> None:
    path = world.write("x.csv", b"1")
    world.write("y.csv", b"2")
    first = world.ingest()
    path.write_bytes(b"cut off")
    assert [landed.batch for landed in world.ingest().objects] == [2, 1]
    path.write_bytes(b"1")
    back = world.ingest()
    assert back.batch == 3
    assert [(item.name, item.sha256, item.batch) for item in back.objects] == [
        (item.name, item.sha256, item.batch) for item in first.objects
    ]
    assert tuple(current(world.landing().log).objects[name] for name in ("x.csv", "y.csv")) == back.objects
