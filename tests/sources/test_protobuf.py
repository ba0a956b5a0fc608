"""Protobuf values: what google.protobuf writes is read, by schemas as a registry gives them, and nothing else is."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="protobuf is not installed")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from potable.sources.protobuf import decoder, named

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "whole": F.TYPE_INT32,
    "big": F.TYPE_SINT64,
    "most": F.TYPE_FIXED64,
    "single": F.TYPE_FLOAT,
    "real": F.TYPE_DOUBLE,
    "yes": F.TYPE_BOOL,
    "text": F.TYPE_STRING,
    "raw": F.TYPE_BYTES,
}
DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "most": st.integers(0, 2**64 - 1),
    "single": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "real": st.floats(allow_nan=False, allow_infinity=False),
    "yes": st.booleans(),
    "text": st.text(),
    "raw": st.binary(),
}


def zigzag(value: int) -> bytes:
    """A varint as the wire format describes it, written anew."""
    value, out = value << 1 if value >= 0 else (-value << 1) - 1, b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def framed(message: Any, *indexes: int) -> bytes:
    places = zigzag(len(indexes)) + b"".join(map(zigzag, indexes)) if indexes else b"\0"
    return places + message.SerializeToString()


def text(file: Any) -> str:
    """A schema as a registry gives it: compiled, and without its name."""
    copy = descriptor_pb2.FileDescriptorProto.FromString(file.SerializeToString())
    copy.ClearField("name")
    return base64.b64encode(copy.SerializeToString()).decode()


def add(message: Any, name: str, kind: int, *, many: bool = False, of: str = "", optional: bool = False) -> Any:
    label = F.LABEL_REPEATED if many else F.LABEL_OPTIONAL
    field = message.field.add(name=name, number=len(message.field) + 1, type=kind, label=label)
    if of:
        field.type_name = of
    if optional:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    return field


def schema() -> Any:
    """A message with everything, inside the second message of a file, and one it refers to."""
    file = descriptor_pb2.FileDescriptorProto(name="whole.proto", package="hr.v1", syntax="proto3")
    file.dependency.extend(["google/protobuf/timestamp.proto", "parts/money.proto", "company/options.proto"])
    file.message_type.add(name="First")
    outer = file.message_type.add(name="Outer")
    add(outer, "id", F.TYPE_INT32)
    outer.nested_type.add(name="Other")
    inner = outer.nested_type.add(name="All")
    for name, kind in SCALARS.items():
        add(inner, name, kind)
    for name, kind in SCALARS.items():
        add(inner, f"{name}_list", kind, many=True)
    for name, kind in SCALARS.items():
        add(inner, f"maybe_{name}", kind, optional=True)
    file.enum_type.add(name="Level").value.add(name="UNKNOWN", number=0)
    file.enum_type[0].value.add(name="HIGH", number=1)
    add(inner, "level", F.TYPE_ENUM, of=".hr.v1.Level")
    add(inner, "at", F.TYPE_MESSAGE, of=".google.protobuf.Timestamp")
    add(inner, "pay", F.TYPE_MESSAGE, of=".parts.Money")
    entry = inner.nested_type.add(name="TagsEntry")
    entry.options.map_entry = True
    add(entry, "key", F.TYPE_STRING)
    add(entry, "value", F.TYPE_INT64)
    add(inner, "tags", F.TYPE_MESSAGE, many=True, of=".hr.v1.Outer.All.TagsEntry")
    return file


def money() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="parts/money.proto", package="parts", syntax="proto3")
    message = file.message_type.add(name="Money")
    add(message, "units", F.TYPE_INT64)
    add(message, "currency", F.TYPE_STRING)
    return file


def classes() -> Any:
    """What a producer compiled: the message with everything, and the one it is in."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(descriptor_pb2.FileDescriptorProto(name="company/options.proto").SerializeToString())
    pool.AddSerializedFile(money().SerializeToString())
    pool.AddSerializedFile(schema().SerializeToString())
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"hr.v1.{n}")) for n in ("Outer.All", "Outer")]


ALL, OUTER = classes()
DEFINITIONS = named({"parts/money.proto": text(money()), "value.proto": text(schema())}) or []
AT = (1, 1)
"""Places of the message with everything."""


@st.composite
def messages(draw: st.DrawFn) -> Any:
    message = ALL()
    for name, values in DRAWN.items():
        setattr(message, name, draw(values))
        getattr(message, f"{name}_list").extend(draw(st.lists(values, max_size=3)))
        if draw(st.booleans()):
            setattr(message, f"maybe_{name}", draw(values))
    message.level = draw(st.integers(0, 2))
    message.tags.update(draw(st.dictionaries(st.text(max_size=3), DRAWN["big"], max_size=3)))
    if draw(st.booleans()):
        message.at.FromJsonString("2024-02-29T10:00:00.5Z")
    if draw(st.booleans()):
        message.pay.units = draw(DRAWN["big"])
    return message


def expected(message: Any) -> dict[str, Any]:
    """The slow way: field by field, as the contract's words have it."""

    def one(name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if name == "single":
            # no digits that a float of 32 bits does not have
            return np.float32(value)
        return value if isinstance(value, str) else str(value)

    found: dict[str, Any] = {}
    for name in SCALARS:
        found[name] = one(name, getattr(message, name))
        found[f"{name}_list"] = [one(name, value) for value in getattr(message, f"{name}_list")]
        if message.HasField(f"maybe_{name}"):
            found[f"maybe_{name}"] = one(name, getattr(message, f"maybe_{name}"))
    found["level"] = ["UNKNOWN", "HIGH", "2"][message.level]
    found["tags"] = {name: str(value) for name, value in message.tags.items()}
    if message.HasField("at"):
        found["at"] = "2024-02-29T10:00:00.500Z"
    if message.HasField("pay"):
        found["pay"] = {"units": str(message.pay.units), "currency": ""}
    return found


def as_floats(found: dict[str, Any]) -> dict[str, Any]:
    """The same with floats of 32 bits as such, for one may be written in several ways."""
    names = [name for name in found if "single" in name]
    return found | {
        name: [np.float32(value) for value in found[name]] if name.endswith("list") else np.float32(found[name])
        for name in names
    }


@given(messages())
def test_what_is_written_is_read(message: Any) -> None:
    decode = decoder(DEFINITIONS)
    assert decode
    found = decode(framed(message, *AT))
    assert as_floats(found) == expected(message)
    # a record of any form is JSON
    assert json.loads(json.dumps(found)) == found


def test_a_float_has_the_digits_it_was_written_with() -> None:
    decode = decoder(DEFINITIONS)
    assert decode
    found = decode(framed(ALL(single=0.1, real=0.1, big=-(2**63)), *AT))
    assert (found["single"], found["real"], found["big"]) == ("0.1", "0.1", str(-(2**63)))


@given(st.lists(st.integers(-2, 3), max_size=4))
def test_the_indexes_choose_the_message(indexes: list[int]) -> None:
    decode = decoder(DEFINITIONS)
    assert decode
    there = {(): [], (0,): [], (1,): ["id"], (1, 0): [], AT: [*expected(ALL())], (1, 1, 0): ["key", "value"]}
    if tuple(indexes) in there:
        assert sorted(decode(framed(ALL(), *indexes))) == sorted(there[tuple(indexes)])
    else:
        with pytest.raises(ValueError, match="ValueError"):
            decode(framed(ALL(), *indexes))


@given(st.binary(max_size=40))
def test_other_bytes_are_records_or_refused(data: bytes) -> None:
    decode = decoder(DEFINITIONS)
    assert decode
    for indexes in (b"", b"\x04\x02\x02"):
        try:
            assert isinstance(decode(indexes + data), dict)
        except ValueError as failure:
            assert failure.__cause__ is None


@pytest.mark.parametrize(
    "data", [b"", b"\x04", b"\x04\x02", b"\xff" * 12, b"\x02" + b"\x80" * 12, framed(ALL(text="abc"), *AT)[:-1]]
)
def test_what_is_cut_short_is_refused(data: bytes) -> None:
    decode = decoder(DEFINITIONS)
    assert decode
    with pytest.raises(ValueError):
        decode(data)


def test_a_moment_out_of_its_range_is_refused() -> None:
    message = ALL()
    message.at.seconds = 2**60
    decode = decoder(DEFINITIONS)
    assert decode
    with pytest.raises(ValueError, match="SerializeToJsonError") as caught:
        decode(framed(message, *AT))
    assert caught.value.__suppress_context__


def test_schemas_that_are_not_compiled_or_broken_are_told_apart() -> None:
    with pytest.raises(ValueError, match="base64"):
        named({"a": 'syntax = "proto3"; message A {}'})
    assert named({"a": base64.b64encode(b"\xff\xff\xff").decode()}) is None
    # one that refers to a type nobody has
    alone = named({"value.proto": text(schema())})
    assert alone and decoder(alone) is None
    assert decoder([base64.b64encode(b"\xff\xff\xff").decode()]) is None


def test_a_registry_may_have_what_compilers_have_too() -> None:
    own = descriptor_pb2.FileDescriptorProto.FromString(timestamp_pb2.DESCRIPTOR.serialized_pb)
    own.options.go_package = "another"
    parts, user = money(), schema()
    parts.dependency.append(own.name)
    texts = {parts.name: text(parts), own.name: text(own), "value.proto": text(user)}
    for order in ([*texts], [own.name, parts.name, "value.proto"]):
        decode = decoder(named({name: texts[name] for name in order}) or [])
        assert decode and decode(framed(OUTER(id=7), 1)) == {"id": "7"}


def test_schemas_of_one_name_do_not_meet() -> None:
    other = descriptor_pb2.FileDescriptorProto(name="x", package="hr.v1", syntax="proto3")
    add(other.message_type.add(name="Outer"), "id", F.TYPE_STRING)
    both = [decoder(DEFINITIONS), decoder(named({"value.proto": text(other)}) or [])]
    first, second = (decode for decode in both if decode)
    assert first(framed(OUTER(id=7), 1)) == {"id": "7"}
    assert second(b"\0\x0a\x01x") == {"id": "x"}
