"""Texts of Protobuf schemas: compiled with those they import, and told where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")

from potable.sources import prototexts
from potable.sources.protobuf import decoder
from potable.sources.prototexts import compiled

HEAD = 'syntax = "proto3";\n'


def test_a_schema_is_compiled_with_what_it_imports_and_what_that_imports() -> None:
    texts = {
        "parts/unit.proto": HEAD + "package parts; enum Unit { DAY = 0; YEAR = 1; }",
        "parts/span.proto": HEAD + 'import public "parts/unit.proto"; package parts; message Span { Unit in = 1; }',
        "value.proto": HEAD + "/* an option */ import 'company/options.proto'; import \"parts/span.proto\";"
        ' import "google/protobuf/duration.proto"; message A { parts.Span span = 1; google.protobuf.Duration of = 2; }',
    }
    decode = decoder(compiled(texts))
    assert decode and decode(b"\0" + b"\x0a\x02\x08\x01" + b"\x12\x02\x08\x05") == {"span": {"in": "YEAR"}, "of": "5s"}


def test_texts_come_out_alike_and_in_their_order() -> None:
    texts = {"b.proto": HEAD + "message B {}", "a.proto": HEAD + 'import "b.proto"; message A { B b = 1; }'}
    assert compiled(texts) == compiled(texts) and len(compiled(texts)) == 2


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"value.proto": "syntax = x"}, "value.proto:1:10: Expected syntax identifier"),
        ({"value.proto": HEAD + "message A { Secret b = 1; }"}, "value.proto:2:13: … is not defined"),
        ({"../value.proto": HEAD}, "not the path of a .proto file"),
        ({"/tmp/value.proto": HEAD}, "not the path of a .proto file"),
        ({"a/../../value.proto": HEAD}, "not the path of a .proto file"),
        ({"value.proto": HEAD + 'import "../../x.proto";'}, "not the path of a .proto file"),
        ({"grpc_tools/protoc.py": HEAD, "value.proto": HEAD}, "not the path of a .proto file"),
        ({"a.proto": HEAD, "a.proto/b.proto": HEAD, "value.proto": HEAD}, "exclude each other"),
        ({"value.proto": "\ud800"}, "exclude each other"),
        ({"value.proto": HEAD + "message A {" * 5000}, "protoc ended with|value.proto:2:"),
        ({"value.proto": HEAD + 'import "value.proto";'}, "value.proto:2:1: File recursively imports itself"),
        ({"value.proto": " " * ((8 << 20) + 1)}, "it is too large"),
    ],
)
def test_what_does_not_compile_is_told_without_what_it_says(texts: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why) as told:
        compiled(texts)
    assert "Secret" not in str(told.value)


def test_a_compiler_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototexts, "_SECONDS", 0.001)
    with pytest.raises(ValueError, match="did not finish within"):
        compiled({"value.proto": HEAD})


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compiled({"value.proto": HEAD})
    assert not list(tmp_path.iterdir())
