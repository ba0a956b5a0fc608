"""Documents made to hurt the reader: each is refused for what it is, in little memory and time."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.sources.objects import blob, parsed, refusal
from tests.sources.test_xml import ONE, payroll, source

from potable.sources import xmlbounds
from potable.sources.xmlbounds import Bounds

MIB = 1 << 20
TOO_LONG, TOO_DEEP = "larger than 16 MiB", "nested more than 1,000 deep"
# what refuses it, what stands before, the piece that is repeated 1 GiB long
ENDLESS: dict[str, tuple[str, bytes, bytes]] = {
    "depth": (TOO_DEEP, b"<payroll><payslip>", b"<a>"),
    "depth of a known element": (TOO_DEEP, b"<payroll><payslip>", b"<empNo>"),
    "depth with attributes": (TOO_DEEP, b"<payroll><payslip>", b'<a b="c">x<d></d>'),
    "depth between comments": (TOO_DEEP, b"<payroll><payslip>", b"<a><!-- </a></a> -->"),
    "text": (TOO_LONG, b"<payroll><payslip><empNo>", b"x"),
    "text of an unknown element": (TOO_LONG, b"<payroll><x>", b"x > y"),
    "text between records": (TOO_LONG, b"<payroll>", b"\n"),
    "attribute": (TOO_LONG, b'<payroll><payslip id="', b"x>"),
    "attributes": (TOO_LONG, b"<payroll><payslip ", b'a="" '),
    "name": (TOO_LONG, b"<payroll><", b"x"),
    "comment": (TOO_LONG, b"<payroll><!--", b"<payslip></payslip>"),
    "comments": (TOO_LONG, b"<payroll><payslip><empNo>", b"<!-- <x/> -->a"),
    "instruction": (TOO_LONG, b"<payroll><?x ", b"<payslip></payslip>"),
    "section": (TOO_LONG, b"<payroll><payslip><empNo><![CDATA[", b"</payslip>"),
    "sections": (TOO_LONG, b"<payroll><payslip><empNo>", b"<![CDATA[</empNo></payslip>]]>"),
    "prolog": ("before its first element", b"", b"<!-- x -->"),
    "blanks before the root": ("before its first element", b"", b" "),
    "attributes of the root": ("before its first element", b"<payroll ", b'a="" '),
    "document type": ("before its first element", b"<!DOCTYPE payroll [", b"<!ELEMENT a ANY>"),
    "entities": ("entities", b"<!DOCTYPE payroll [", b'<!ENTITY a "x">'),
}
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
DECLARED = {
    "billion laughs": (f'<!DOCTYPE payroll [<!ENTITY a0 "ha">{LAUGHS}]>', "&a29;"),
    "quadratic blow-up": (f'<!DOCTYPE payroll [<!ENTITY a "{"x" * 50_000}">]>', "&a;" * 50_000),
    "parameter entities": ('<!DOCTYPE payroll [<!ENTITY % a "x"> %a;]>', ""),
    "external entity": ('<!DOCTYPE payroll [<!ENTITY a SYSTEM "file:///dev/zero">]>', "&a;"),
    "external parameter entity": ('<!DOCTYPE payroll [<!ENTITY % a SYSTEM "file:///dev/zero"> %a;]>', ""),
}
LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from tests.sources.objects import refusal
from tests.sources.test_xml import source
from potable.sources.blobs import Blob
import potable.store.objects, xml2arrow

size = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
limit = (int(size.split()[1]) << 10) + (600 << 20)
for line in sys.stdin:
    if child := os.fork():
        print("ended with", os.waitpid(child, 0)[1], flush=True)
        continue
    signal.alarm(30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    held = Blob("object", line.strip(), "object", False, 0)
    print(refusal(source(), held), end="; ")
    source().observe("t", held)
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.fixture(scope="module")
def limited() -> Iterator[Callable[[Path], str]]:
    """Why a process with 600 MiB and half a minute to spare refuses the `object` in a folder."""
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", LIMITED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin and process.stdout

        def told(folder: Path) -> str:
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
            assert answer.endswith("; ended with 0"), answer
            return answer

        yield told
        process.stdin.close()


@pytest.mark.parametrize("attack", ENDLESS)
def test_what_has_no_end_is_refused(tmp_path: Path, limited: Callable[[Path], str], attack: str) -> None:
    why, start, piece = ENDLESS[attack]
    pieces = gzip.compress(piece * (MIB // len(piece)), 1)
    blob(tmp_path, gzip.compress(start) + pieces * 1024)
    assert why in limited(tmp_path)


@pytest.mark.parametrize("attack", DECLARED)
def test_entities_are_never_expanded_or_fetched(tmp_path: Path, limited: Callable[[Path], str], attack: str) -> None:
    declared, used = DECLARED[attack]
    blob(tmp_path, (declared + payroll(f"<payslip><empNo>{used}</empNo></payslip>")).encode())
    assert "entities" in limited(tmp_path)


def test_an_external_entity_opens_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opened = threading.Event()
    threading.Thread(target=lambda: pipe.open("w").close() or opened.set(), daemon=True).start()
    document = f'<!DOCTYPE payroll [<!ENTITY a SYSTEM "{pipe}">]>' + payroll("<payslip><empNo>&a;</empNo></payslip>")
    assert "entities" in refusal(source(), blob(tmp_path, document.encode()))
    assert not opened.is_set()
    pipe.open("r").close()


def test_values_a_document_type_would_add_are_not_left_out_silently(tmp_path: Path) -> None:
    document = '<!DOCTYPE payroll [<!ATTLIST gross currency CDATA "EUR">]>' + payroll(ONE)
    assert "its own document type" in refusal(source(), blob(tmp_path, document.encode()))


def test_depth_is_counted_only_where_elements_are_really_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmlbounds, "DEEPEST", 20)
    odd = "<empNo a=\"&lt;\" b='>'>a</empNo><!-- <a><a><a><a><a> --><![CDATA[<b><b><b><b>]]><?p <c><c> ?>"
    assert len(parsed(source(), blob(tmp_path, payroll(*[f"<payslip>{odd}</payslip>"] * 50).encode()))) == 50


WHOLE = [
    b"<a>",
    b"x" * 9,
    b"<!-- <a> ]]> ?> -->",
    b"<!---->",
    b"<![CDATA[ --> </a> ]] ]>]]>",
    b"<![CDATA[]]>",
    b"<?p -->?>",
    b"</a>",
]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", range(1, 40))
def test_pieces_are_told_apart_wherever_blocks_end(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(xmlbounds, "LONGEST", 150)
    fine = Bounds("a", lambda: pytest.fail("not deep"))
    assert all([fine.look(block) for block in cut(b"".join(WHOLE) * 5, size)])
    long = Bounds("a", lambda: None)
    assert not all([long.look(block) for block in cut(b"<a>" + b"".join(WHOLE[1:-1]) * 5 + b"</a>", size)])


@pytest.mark.parametrize("size", range(1, 100))
def test_only_tags_and_texts_are_left_of_a_document(size: int) -> None:
    looked = Bounds("a", lambda: None)
    document = b"".join([b"<?xml <b> ?>", b"<?p?>", *WHOLE, b"<?p?>", b"<a/>"])
    assert b"".join(map(looked._markup, cut(document, size))) == b"<a>" + b"x" * 9 + b"</a><a/>"
