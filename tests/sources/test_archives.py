"""Zip archives: each member lands as a file; an archive that cannot be trusted is refused, whole and clearly."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.sources.objects import SECRET, blob, landed_rows, raw_zone, refusal
from tests.sources.test_xml import ONE, payroll, source

from potable.errors import EnvironmentFailure
from potable.sources.ingest import Ingested, Landing, ingest
from potable.sources.xml import XmlSource

SLIPS = payroll(ONE, ONE)


def packed(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, method)
    return sink.getvalue()


def reading(folder: Path, **table: Any) -> XmlSource:
    tables = {"t": {"record": "/payroll/payslip", "columns": {"no": {"path": "empNo"}}, **table}}
    return XmlSource.model_validate({"source": "s", "type": "xml", "path": str(folder / "in"), "tables": tables})


def land(folder: Path, made: XmlSource | None = None, **files: bytes) -> tuple[Ingested, Landing]:
    (folder / "in").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / "in" / name.replace("_zip", ".zip").replace("_xml", ".xml")).write_bytes(data)
    landing = raw_zone(folder / "lake")
    return ingest(made or reading(folder), landing, base=folder), landing


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_member_lands_as_a_file_of_its_own(tmp_path: Path, method: int) -> None:
    members = {"a.xml": SLIPS, "june/b.xml": payroll(ONE), "__MACOSX/._a.xml": "junk", ".hidden": "junk", "june/": ""}
    done, landing = land(tmp_path, one_zip=packed(members, method), two_xml=payroll(ONE).encode())
    assert [item.name for item in done.objects] == ["one.zip/a.xml", "one.zip/june/b.xml", "two.xml"]
    rows = [(row["_object"], row["_row"], row["no"]) for row in landed_rows(reading(tmp_path), landing, "t")]
    assert sorted(rows) == [
        ("one.zip/a.xml", 1, "a"),
        ("one.zip/a.xml", 2, "a"),
        ("one.zip/june/b.xml", 1, "a"),
        ("two.xml", 1, "a"),
    ]


def test_only_members_that_are_new_land_again(tmp_path: Path) -> None:
    land(tmp_path, one_zip=packed({"a.xml": SLIPS}))
    done, _ = land(tmp_path, one_zip=packed({"a.xml": SLIPS, "b.xml": payroll(ONE)}))
    assert (done.batch, done.new_objects, len(done.objects)) == (2, 1, 2)
    assert land(tmp_path)[0].batch == 2


def test_a_table_may_take_some_members_only(tmp_path: Path) -> None:
    made = reading(tmp_path, members="*/slips_*.xml")
    members = {"2020/slips_1.xml": SLIPS, "slips_2.xml": SLIPS, "2020/people.xml": "<people/>", "readme.txt": "x"}
    done, _ = land(tmp_path, made, one_zip=packed(members))
    assert [item.name for item in done.objects] == ["one.zip/2020/slips_1.xml"]
    with pytest.raises(EnvironmentFailure) as caught:
        land(tmp_path, reading(tmp_path, members="*.csv"))
    assert caught.value.code == "E002"


def encrypted() -> bytes:
    raw = bytearray(packed({"a.xml": SLIPS}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + place] |= 1
    return bytes(raw)


def doubled() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        sink = io.BytesIO(packed({"a.xml": SLIPS}))
        with zipfile.ZipFile(sink, "a") as made:
            made.writestr("a.xml", SECRET)
    return sink.getvalue()


def link() -> bytes:
    sink, info = io.BytesIO(), zipfile.ZipInfo("a.xml")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(sink, "w") as made:
        made.writestr(info, "/etc/passwd")
    return sink.getvalue()


def overlapping() -> bytes:
    """A small archive that names the same packed bytes many times."""
    once = packed({"a": b"\0" * (1 << 20)})
    start = once.index(b"PK\x01\x02")
    entry, end = once[start : once.index(b"PK\x05\x06")], bytearray(once[once.index(b"PK\x05\x06") :])
    entries = b"".join(entry[:28] + b"\4\0" + entry[30:46] + f"{number:04}".encode() for number in range(400))
    end[8:12] = (400).to_bytes(2, "little") * 2
    end[12:16] = len(entries).to_bytes(4, "little")
    return once[:start] + entries + bytes(end)


REFUSED = {
    "encrypted": (encrypted, "encrypted"),
    "up": (lambda: packed({"../../etc/a.xml": SLIPS}), "leads outside"),
    "absolute": (lambda: packed({"/etc/a.xml": SLIPS}), "leads outside"),
    "backslashes": (lambda: packed({"..\\a.xml": SLIPS}), "leads outside"),
    "drive": (lambda: packed({"C:a.xml": SLIPS}), "leads outside"),
    "link": (link, "a link"),
    "two of one name": (doubled, "two members of the same name"),
    "bomb": (lambda: packed({"a.xml": b"\0" * (70 << 20)}), "250 times its size"),
    "overlapping bomb": (overlapping, "250 times its size"),
    "cut": (lambda: packed({"a.xml": SLIPS})[:-30], "cut short or damaged"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_archive_that_cannot_be_trusted_lands_whole_and_is_refused(tmp_path: Path, what: str) -> None:
    make, why = REFUSED[what]
    data = make()
    done, _ = land(tmp_path, one_zip=data)
    assert [item.name for item in done.objects] == ["one.zip"]
    assert why in refusal(source(), blob(tmp_path, data))


def test_an_archive_in_an_archive_and_one_by_another_name_are_refused(tmp_path: Path) -> None:
    inner = packed({"a.xml": SLIPS})
    done, _ = land(tmp_path, one_zip=packed({"inner.zip": inner}))
    assert [item.name for item in done.objects] == ["one.zip/inner.zip"]
    assert "only files named .zip are unpacked" in refusal(source(), blob(tmp_path, inner))


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50), "7z"),
        ("a.rar", b"Rar!\x1a\x07\x01" + bytes(50), "rar"),
        ("a.tar.gz", gzip.compress(bytes(1024)), "tar"),
        ("a.TGZ", gzip.compress(bytes(1024)), "tar"),
    ],
    ids=["7z", "rar", "tar.gz", "TGZ"],
)
def test_other_archives_are_called_so(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    assert f"it is a {kind} archive; only zip" in refusal(source(), blob(tmp_path, data, name))


@pytest.mark.parametrize("what", ["content", "checksum"])
def test_a_damaged_member_stops_the_landing_and_names_it(tmp_path: Path, what: str) -> None:
    raw = bytearray(packed({"a.xml": SLIPS}))
    raw[40 if what == "content" else raw.index(b"PK\x01\x02") + 16] ^= 0xFF
    with pytest.raises(EnvironmentFailure, match=r"`aaa.zip/a.xml` cannot be read \(DamagedZip\)"):
        land(tmp_path, one_zip=bytes(raw))


def test_a_member_that_lies_about_its_size_is_not_unpacked_beyond_it(tmp_path: Path) -> None:
    raw = bytearray(packed({"a.xml": b"\0" * (20 << 20)}))
    place = raw.index(b"PK\x01\x02") + 24
    raw[place : place + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(EnvironmentFailure, match="DamagedZip"):
        land(tmp_path, one_zip=bytes(raw))
