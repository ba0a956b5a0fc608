"""Protobuf values by compiled schemas, as a registry gives them: file descriptors in base64.

A value names its message by places in its schema (Confluent's framing: behind the number of the schema, how many
indexes follow and each, as zigzag varints; a lone zero is the first message). Reading and the form in JSON are
google.protobuf's own; fields without a value are left out where their schema can tell, else they have its default.

Entry: `decoder` for values, `named` for what lands.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.json_format import Error, MessageToDict
from google.protobuf.message import DecodeError

_KNOWN = {
    module.DESCRIPTOR.name: module.DESCRIPTOR
    for module in (
        *(any_pb2, api_pb2, descriptor_pb2, duration_pb2, empty_pb2),
        *(field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2),
    )
}
"""Schemas that no registry has, because every compiler does."""
_LONGEST = 10
"""Bytes of a varint."""


def named(texts: Mapping[str, str]) -> list[str] | None:
    """Compiled schemas that know their names, in the same order; None where one of them is broken.

    Raises:
        ValueError: they are not compiled.
    """
    found = []
    for name, text in texts.items():
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise ValueError("it is not base64") from None
        except DecodeError:
            return None
        file.name = name
        found.append(base64.b64encode(file.SerializeToString(deterministic=True)).decode())
    return found


def decoder(definitions: Sequence[str], number: type[str] = str) -> Callable[[bytes], Any] | None:
    """What reads values of a schema; None where the schema itself cannot be read.

    Args:
        definitions: compiled schemas it refers to, and its own last.
        number: what numbers become.
    """
    pool = descriptor_pool.DescriptorPool()
    try:
        files = [descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text)) for text in definitions]
        for file in files:
            for name in file.dependency:
                _bring(pool, name)
            if not _has(pool, file.name):
                pool.AddSerializedFile(file.SerializeToString())
    # what a pool says of a schema that does not fit together
    except (DecodeError, ValueError, TypeError, KeyError):
        return None
    kinds: dict[tuple[int, ...], Any] = {}

    def decode(data: bytes) -> Any:
        indexes, start = _indexes(data)
        try:
            if indexes not in kinds:
                kinds[indexes] = message_factory.GetMessageClass(pool.FindMessageTypeByName(_name(files[-1], indexes)))
            message = kinds[indexes].FromString(data[start:])
            found = MessageToDict(
                message,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
                descriptor_pool=pool,
            )
        # a moment out of its range, an `Any` of a type that nobody knows
        except (DecodeError, Error, ValueError, TypeError, KeyError) as broken:
            raise ValueError(type(broken).__name__) from None
        return _plain(found, number)

    return decode


def _has(pool: descriptor_pool.DescriptorPool, name: str) -> bool:
    with suppress(KeyError):
        pool.FindFileByName(name)
        return True
    return False


def _bring(pool: descriptor_pool.DescriptorPool, name: str) -> None:
    """What every compiler knows, or else an empty file: schemas import options that no value needs."""
    if _has(pool, name):
        return
    if name not in _KNOWN:
        pool.AddSerializedFile(descriptor_pb2.FileDescriptorProto(name=name).SerializeToString())
        return
    file = descriptor_pb2.FileDescriptorProto()
    _KNOWN[name].CopyToProto(file)
    for needed in file.dependency:
        _bring(pool, needed)
    pool.AddSerializedFile(file.SerializeToString())


def _indexes(data: bytes) -> tuple[tuple[int, ...], int]:
    """Places of the message in its schema, and where it begins.

    Raises:
        ValueError: they are cut short, or none.
    """
    count, at = _varint(data, 0)
    if not 0 <= count <= len(data):
        raise ValueError("it has no such message")
    indexes = []
    for _ in range(count):
        index, at = _varint(data, at)
        indexes.append(index)
    return tuple(indexes) or (0,), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + place + 1
    raise ValueError("it is cut short")


def _name(file: descriptor_pb2.FileDescriptorProto, indexes: tuple[int, ...]) -> str:
    """Full name of the message at these places.

    Raises:
        ValueError: there is none.
    """
    names, inside = [file.package] if file.package else [], file.message_type
    for index in indexes:
        if not 0 <= index < len(inside):
            raise ValueError("it has no such message")
        names.append(inside[index].name)
        inside = inside[index].nested_type
    return ".".join(names)


def _plain(value: Any, number: type[str]) -> Any:
    """Numbers as texts with their digits, as they are in records of every form."""
    if isinstance(value, dict):
        return {str(name): _plain(inner, number) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, number) for inner in value]
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
