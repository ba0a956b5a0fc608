"""Files in buckets: listed by globs, fetched once, by ranges of one version; what goes wrong is told without keys."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.bucket import KEY, FakeS3, contents, land, landing, reading, signs
from tests.sources.test_archives import packed
from tests.sources.web import RESET, Answer, Server
from tests.store.google import put_packed

from potable.errors import EnvironmentFailure
from potable.sources import places
from potable.sources.ingest import current
from potable.store.objects import Store


@pytest.fixture
def bucket(object_store: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty bucket of a real S3 server, as boto3 sees it."""
    import boto3

    made = boto3.resource("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1").Bucket("files")
    made.create()
    yield made
    made.objects.delete()
    made.delete()


def put(bucket: Any, **objects: bytes) -> None:
    for name, data in objects.items():
        bucket.put_object(Key=name.replace("__", "/").replace("_csv", ".csv").replace("_zip", ".zip"), Body=data)


def test_globs_find_objects_as_they_find_files(bucket: Any, tmp_path: Path) -> None:
    put(
        bucket,
        hr__a_csv=b"a\n1\n",
        hr__2020__b_csv=b"a\n2\n",
        hr__2021__c_csv=b"a\n3\n",
        hr__readme=b"x",
        x_csv=b"a\n9\n",
    )
    for marker in ("hr/", "hr/2020/", "hr/empty/"):
        bucket.put_object(Key=marker, Body=b"")
    bucket.put_object(Key="hr/.hidden.csv", Body=b"a\n8\n")
    wanted = {
        "s3://files/hr/*.csv": ["a.csv"],
        "s3://files/hr/*/*.csv": ["2020/b.csv", "2021/c.csv"],
        "s3://files/hr/**/*.csv": ["2020/b.csv", "2021/c.csv", "a.csv"],
        "s3://files/hr/202[1-9]/c.csv": ["2021/c.csv"],
        "s3://files/hr": ["a.csv", "readme"],
        "s3://files/hr/2020/b.csv": ["b.csv"],
        "s3://files/x.csv": ["x.csv"],
        "s3://files/hr/**": ["2020/b.csv", "2021/c.csv", "a.csv", "readme"],
    }
    for path, names in wanted.items():
        assert [arrival.name for arrival in reading(path).arrivals(tmp_path)] == names, path


def test_tables_take_several_globs_below_a_folder(bucket: Any, tmp_path: Path) -> None:
    put(bucket, hr__a_csv=b"a\n1\n", hr__b_csv=b"a\n2\n", hr__c_csv=b"a\n3\n")
    one, two = ({"columns": {"a": {}}, "files": files} for files in (["a.csv", "c.*"], "b.csv"))
    found = reading("s3://files/hr/", tables={"t": one, "u": two}).arrivals(tmp_path)
    assert [(arrival.name, arrival.tables) for arrival in found] == [
        ("a.csv", ("t",)),
        ("b.csv", ("u",)),
        ("c.csv", ("t",)),
    ]


def test_names_with_signs_of_urls_are_names(bucket: Any, tmp_path: Path) -> None:
    for key in ("hr/a b%20#1+ü.csv", "hr/x=1/part.csv"):
        bucket.put_object(Key=key, Body=b"a\n1\n")
    source = reading("s3://files/hr/**/*.csv")
    assert land(tmp_path, source).new_objects == 2
    assert contents(tmp_path, source) == {"a b%20#1+ü.csv": ["1"], "x=1/part.csv": ["1"]}


def test_an_object_that_is_called_as_a_folder_is_a_file(bucket: Any, tmp_path: Path) -> None:
    put(bucket, hr__same=b"a\n1\n", hr__same__x_csv=b"a\n2\n", hr__none=b"", hr__none__y_csv=b"a\n3\n")
    bucket.put_object(Key="hr/sub/", Body=b"")
    put(bucket, hr__sub__z_csv=b"a\n4\n")
    for path, names in {
        "s3://files/hr/": ["none", "same"],
        "s3://files/hr/same": ["same"],
        "s3://files/hr/same/": ["x.csv"],
        "s3://files/hr/**": ["none", "none/y.csv", "same", "same/x.csv", "sub/z.csv"],
    }.items():
        assert [arrival.name for arrival in reading(path).arrivals(tmp_path)] == names, path


@pytest.mark.parametrize("key", ["hr//a.csv", "hr/./a.csv", "hr/a\t.csv"])
def test_a_key_that_cannot_be_one_is_told(bucket: Any, tmp_path: Path, key: str) -> None:
    bucket.put_object(Key=key, Body=b"a\n1\n")
    with pytest.raises(EnvironmentFailure, match=r"of a key there a part is empty \(`a//b`\)") as caught:
        land(tmp_path, reading("s3://files/**/*.csv"))
    assert not caught.value.retryable


def test_members_of_archives_are_read_where_they_lie(bucket: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(places, "BLOCK", 100)
    put(bucket, hr__one_zip=packed({"x.csv": "a\n1\n", "d/y.csv": "a\n2\n" * 200}))
    source = reading("s3://files/hr/")
    assert land(tmp_path, source).new_objects == 2
    assert contents(tmp_path, source) == {"one.zip/x.csv": ["1"], "one.zip/d/y.csv": (["2", "a"] * 200)[:-1]}
    put(bucket, hr__one_zip=packed({"x.csv": "a\n1\n", "d/y.csv": "a\n2\n" * 200, "z.csv": "a\n3\n"}))
    assert land(tmp_path, source).new_objects == 1


def test_settings_come_from_references_too(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bucket, a_csv=b"a\n1\n")
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"access_key_id": "hush-hush", "secret_access_key": "hush-hush", "region": "us-east-1"}
    source = reading("s3://files/", storage={"endpoint": endpoint, **keys})
    assert land(tmp_path, source).new_objects == 1
    assert "hush" not in repr(source)


@pytest.fixture
def fake(server: Server) -> FakeS3:
    return FakeS3(server, {"hr/a.csv": b"a\n1\n", "hr/b.csv": b"a\n2\n"})


def source(fake: FakeS3, path: str = "s3://lake/hr/*.csv", **more: Any) -> Any:
    keys = {"access_key_id": KEY, "secret_access_key": KEY, "region": "us-east-1"}
    return reading(path, storage={"endpoint": fake.url, **keys}, **{"timeout": 5, **more})


def refused(folder: Path, made: Any) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        land(folder, made)
    told = caught.value.text() + json.dumps(caught.value.record()) + repr(caught.value.__cause__)
    assert KEY not in told and "127.0.0.1" not in told and "Signature" not in told
    assert not current(landing(folder).log).objects
    return caught.value


def test_only_what_changed_is_fetched_and_each_object_once(fake: FakeS3, tmp_path: Path) -> None:
    fake.objects["hr/big.csv"] = b"a\n" + b"value\n" * 1_000_000
    land(tmp_path, source(fake))
    assert sorted(fake.gets) == ["hr/a.csv", "hr/b.csv", "hr/big.csv"]
    fake.gets.clear()
    fake.objects["hr/b.csv"] = b"a\n3\n"
    done = land(tmp_path, source(fake))
    assert (fake.gets, done.new_objects, done.batch) == (["hr/b.csv"], 1, 2)


PASSING: dict[str, Answer] = {
    "500": (500, {}, b"<Error/>"),
    "503": (503, {}, b"<Error><Code>SlowDown</Code></Error>"),
    "reset": RESET,
    "cut off": (206, {"Content-Length": "4", "Content-Range": "bytes 0-3/4", **signs(b"a\n2\n")}, b"a\n"),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("position", ["first", "only"])
def test_a_fault_that_passes_is_waited_for(fake: FakeS3, tmp_path: Path, fault: str, position: str) -> None:
    fake.objects = {"hr/b.csv": b"a\n2\n"} if position == "only" else fake.objects
    fake.faults = [PASSING[fault]]
    if position == "first":
        fake.objects["hr/a.csv"] = b"a\n2\n"
    made = source(fake)
    land(tmp_path, made)
    assert contents(tmp_path, made) == {name.removeprefix("hr/"): ["2"] for name in fake.objects}


@pytest.mark.parametrize("fault", ["503", "reset", "cut off", "slow"])
def test_a_fault_in_the_middle_of_an_object_costs_a_block(
    fake: FakeS3, server: Server, tmp_path: Path, fault: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(places, "BLOCK", 1000)
    data = b"a\n" + b"".join(b"%04d\n" % number for number in range(600))
    fake.objects, fake.after = {"hr/a.csv": data}, 1
    half: Answer = (
        206,
        {"Content-Length": "1000", "Content-Range": f"bytes 1000-1999/{len(data)}", **signs(data)},
        data[1000:1500],
    )
    fake.faults = [PASSING.get(fault, half) if fault != "cut off" else half]
    server.hang = threading.Event() if fault == "slow" else None
    made = source(fake, timeout=0.5)
    land(tmp_path, made)
    assert contents(tmp_path, made) == {"a.csv": [f"{number:04d}" for number in range(600)]}
    assert len(fake.gets) == 5
    if server.hang:
        server.hang.set()


def test_an_object_that_goes_between_listing_and_reading_is_told(fake: FakeS3, tmp_path: Path) -> None:
    fake.faults = [(404, {}, b"<Error><Code>NoSuchKey</Code></Error>")] * 2
    told = refused(tmp_path, source(fake))
    assert (told.code, told.retryable) == ("E002", True)
    assert "removed after it was listed" in told.problem


def test_an_object_named_after_a_person_is_told_by_its_shape(fake: FakeS3, tmp_path: Path) -> None:
    fake.objects = {"hr/Priya-0042.csv": b"a\n1\n"}
    fake.faults = [(403, {}, b"<Error><Code>AccessDenied</Code></Error>")] * 2
    assert "`Aaaaa-9999.csv` cannot be read: permission denied (AccessDenied)" in refused(tmp_path, source(fake)).text()


def test_an_object_that_changes_while_it_is_read_is_told(fake: FakeS3, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(places, "BLOCK", 1000)
    fake.objects = {"hr/a.csv": b"a\n" + b"1\n" * 1000}
    (arrival,) = source(fake).arrivals(tmp_path)
    with arrival.open() as stream:
        stream.read(100)
        fake.objects["hr/a.csv"] = b"a\n" + b"2\n" * 1000
        with pytest.raises(EnvironmentFailure, match=r"`a\.csv` cannot be read: it changed after it was listed"):
            stream.read()


REFUSED = {
    "access denied": (
        (403, {}, b"<Error><Code>AccessDenied</Code></Error>"),
        "permission denied (AccessDenied)",
        False,
    ),
    "credentials": ((401, {}, b"<Error/>"), "refused the credentials", False),
    "region": (
        (400, {}, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
        "the bucket is in another region, eu-west-1",
        False,
    ),
    "expired": ((400, {}, b"<Error><Code>ExpiredToken</Code></Error>"), "credentials have expired", False),
    "changed": ((412, {}, b"<Error/>"), "changed after it was listed", True),
    "other version": (
        (
            206,
            {"ETag": '"other"', "Content-Range": "bytes 0-3/4", "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"},
            b"x\n1\n",
        ),
        "changed after it was listed",
        True,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_store_refuses_is_told(fake: FakeS3, tmp_path: Path, what: str) -> None:
    answer, why, retryable = REFUSED[what]
    fake.faults = [answer] * 2
    told = refused(tmp_path, source(fake))
    assert why in told.problem and (told.code, told.retryable) == ("E001", retryable)


def test_who_may_only_list_a_folder_need_not_write_a_slash_behind_it(
    fake: FakeS3, tmp_path: Path, server: Server
) -> None:
    """Where there is no object and one may not know, S3 denies access instead of saying so."""
    handle = server.handle
    assert handle
    denied: Answer = (403, {}, b"")
    server.handle = lambda path, query: denied if path == "/lake/hr" else handle(path, query)
    assert (
        land(tmp_path, source(fake, "s3://lake/hr", tables={"t": {"columns": {"a": {}}, "files": "**"}})).new_objects
        == 2
    )
    fake.objects.clear()
    told = refused(tmp_path / "other", source(fake, "s3://lake/hr"))
    assert "`s3://lake/hr` cannot be read: permission denied" in told.problem and told.code == "E001"


def test_a_store_that_says_nothing_or_is_not_there_is_given_up(fake: FakeS3, tmp_path: Path, server: Server) -> None:
    held = threading.Event()

    def silent(path: str, query: Any) -> Answer:
        held.wait(10)
        return 500, {}, b""

    server.handle = silent
    try:
        told = refused(tmp_path, source(fake, timeout=0.2))
    finally:
        held.set()
    assert "no answer from the store (time is over)" in told.problem and told.retryable
    fake.url = "http://127.0.0.1:1"
    assert "(connection refused)" in refused(tmp_path, source(fake, timeout=0.2)).problem


def test_a_bucket_or_folder_that_is_not_there_is_told(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="there is no such bucket"):
        land(tmp_path, reading("s3://nowhere/hr/"))
    with pytest.raises(EnvironmentFailure, match="the folder does not exist") as caught:
        land(tmp_path, reading("s3://files/hr/*.csv"))
    assert caught.value.code == "E002"


@pytest.mark.parametrize(
    ("path", "more", "why"),
    [
        ("ftp://host/a", {}, "begins with s3"),
        ("exports", {"storage": {"region": "x"}}, "`storage` needs"),
        ("s3://b/a", {"auth": {"bearer": "x"}}, "`auth` needs"),
        ("s3:///a", {}, "must name a bucket"),
        ("https://h/a", {"tables": {"t": {"columns": {"a": {}}, "files": "*.csv"}}}, "names without wildcards"),
    ],
)
def test_what_does_not_fit_the_place_is_refused(path: str, more: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        reading(path, **more)


def test_a_setting_no_store_knows_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="a setting in `storage`"):
        land(tmp_path, reading("s3://b/a/", storage={"nonsense": "x"}))


RUN = """
import sys
from pathlib import Path
from tests.sources import peak
from tests.sources.bucket import FakeS3, land, reading
path, folder, endpoint = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
keys = {"endpoint": endpoint, "access_key_id": "x", "secret_access_key": "x", "region": "us-east-1"}
source = reading(path, **({"storage": keys} if path.startswith("s3") else {}))
before = peak.megabytes()
done = land(folder, source)
print(done.new_bytes, peak.megabytes() - before)
"""


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_a_large_object_needs_little_memory(fake: FakeS3, tmp_path: Path, scheme: str) -> None:
    fake.objects = {"hr/big.csv": (b"a,b\n" + b"some text,2020-01-31\n" * 10_000_000)[: 200 << 20]}
    path = "s3://lake/hr/" if scheme == "s3" else f"{fake.url}/lake/hr/big.csv"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", RUN, path, str(tmp_path), fake.url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    size, megabytes = map(int, done.stdout.split())
    assert size == 200 << 20
    assert megabytes < 100


def of_azure() -> dict[str, str]:
    """What the environment says of Azure's store, as `storage` says it."""
    return {
        "account_name": os.environ["AZURE_STORAGE_ACCOUNT_NAME"],
        "account_key": os.environ["AZURE_STORAGE_ACCOUNT_KEY"],
        "endpoint": os.environ["AZURE_STORAGE_ENDPOINT"],
    }


def of_google() -> dict[str, str]:
    """The same of Google's."""
    return {"service_account_key": Path(os.environ["GOOGLE_SERVICE_ACCOUNT"]).read_text()}


@pytest.mark.parametrize(("fixture", "told"), [("azure_store", of_azure), ("google_store", of_google)])
def test_files_of_other_stores_are_read_by_globs_and_known_again(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fixture: str,
    told: Callable[[], dict[str, str]],
) -> None:
    url = request.getfixturevalue(fixture)
    held = Store(f"{url}/hr")
    for name in ("a b%20#1+ü.csv", "2020/b.csv", "2020/c.txt"):
        held.put(name, [b"a\n1\n"])
    source = reading(f"{url}/hr/**/*.csv")
    assert land(tmp_path, source).new_objects == 2
    assert contents(tmp_path, source) == {"2020/b.csv": ["1"], "a b%20#1+ü.csv": ["1"]}
    assert land(tmp_path, source).new_objects == 0
    held.put("2020/b.csv", [b"a\n2\n"])
    settings = told()
    for name in [name for name in os.environ if name.startswith(("AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    assert land(tmp_path, reading(f"{url}/hr/**/*.csv", storage=settings)).new_objects == 1


@pytest.mark.parametrize("fixture", ["azure_store", "google_store"])
def test_an_object_of_other_stores_that_is_replaced_while_it_is_read_is_not_landed(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str
) -> None:
    url = request.getfixturevalue(fixture)
    held = Store(f"{url}/moving")
    held.put("a.csv", [b"a\n1\n"])
    source = reading(f"{url}/moving/*.csv")
    (arrival,) = source.arrivals(tmp_path)
    held.put("a.csv", [b"a\n2\n"])
    with pytest.raises(EnvironmentFailure) as caught, arrival.open() as stream:
        stream.read()
    assert caught.value.code == "E001"


def test_what_google_would_unpack_on_the_way_is_read_as_it_is_stored(google_store: str, tmp_path: Path) -> None:
    put_packed(google_store, "packed/a.csv", gzip.compress(b"a\n" + b"1\n" * 1000))
    source = reading(f"{google_store}/packed/*.csv")
    assert land(tmp_path, source).new_objects == 1
    assert contents(tmp_path, source) == {"a.csv": ["1"] * 1000}
