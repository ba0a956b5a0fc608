"""Messages as Outlook saves them (.msg): a compound file, in which each property of the message is a stream.

Only the streams that are asked for are read, so that attachments cost nothing. Texts come from the plain body, or else
from the HTML one, or else from the rich text (`rich_text`). What a message gives is what `mail` says of an e-mail.

The form is [MS-OXMSG], the numbers of properties are [MS-OXPROPS]. Entry: `read`.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import formatdate, parseaddr

import olefile

from potable.errors import MissingExtra
from potable.sources.documents import Unread, form_lines

_MOST_ENTRIES, _MOST_ATTACHED = 50_000, 500
_BINARY, _TEXT, _BYTES, _INTEGER, _TIME = 0x0102, 0x001F, 0x001E, 0x0003, 0x0040
_SUBJECT, _HEADERS, _BODY, _HTML, _RTF = 0x0037, 0x007D, 0x1000, 0x1013, 0x1009
_SENDER, _SENDER_KIND, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1E, 0x0C1F, 0x5D01
_TO, _CC, _SENT, _RECEIVED, _MESSAGE_ID = 0x0E04, 0x0E03, 0x0039, 0x0E06, 0x1035
_FILE, _SHORT_FILE, _NAME, _KIND = 0x3707, 0x3704, 0x3001, 0x370E
_BODY_PAGE, _PAGE = 0x3FDE, 0x3FFD
_HEADS = {"subject": _SUBJECT, "to": _TO, "cc": _CC, "message-id": _MESSAGE_ID}
"""Headers that stand as properties too; messages that never left their server have no others."""
_PAGES = {
    **{number: f"iso8859-{number - 28590}" for number in range(28591, 28606)},
    **{1200: "utf-16-le", 20127: "ascii", 20866: "koi8-r", 21866: "koi8-u", 50220: "iso2022_jp", 50221: "iso2022_jp"},
    **{51932: "euc_jp", 51949: "euc_kr", 54936: "gb18030", 65001: "utf-8"},
}
"""Encodings by the numbers Windows gives them, beside those that Python knows as `cp` and the number."""
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ATTACHED = "__attach_version1.0_#"

Header = Callable[[Message, str], str | None]
Seen = Callable[[str], str]


def read(data: bytes, wanted: frozenset[str], *, header: Header, seen: Seen) -> dict[str, str]:
    """The texts of a message by path.

    Args:
        wanted: paths that are asked for.
        header: reads a header of a message.
        seen: the text of HTML.

    Raises:
        Unread: it cannot be read.
        MissingExtra: its text is rich text only, for which a package is not installed.
    """
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            _check(file, len(data))
            message = _Properties(file, "")
            return {**_texts(message, wanted, seen), **_heads(message, wanted, header), **_attached(file, message)}
    except (Unread, MissingExtra, MemoryError):
        raise
    # a damaged file fails anywhere and anyhow
    except Exception:
        raise Unread("damaged") from None


def _check(file: olefile.OleFileIO, size: int) -> None:
    """Refuse what would unfold to more than it is: entries that share their bytes, or too many of them."""
    attached = sum(map(_is_attached, file.listdir(streams=False, storages=True)))
    if len(file.direntries) > _MOST_ENTRIES or attached > _MOST_ATTACHED:
        raise Unread("beyond the limits of a message")
    entries = [entry for entry in file.direntries if entry is not None]
    if sum(entry.size for entry in entries if entry.entry_type == olefile.STGTY_STREAM) > size:
        raise Unread("damaged")
    if not file.exists("__properties_version1.0"):
        raise Unread("no message: it has no properties")


class _Properties:
    """The properties of a message or an attachment."""

    def __init__(self, file: olefile.OleFileIO, below: str) -> None:
        self._file, self._below = file, below
        # behind a head of 32 bytes in a message and 8 elsewhere: type and number, flags, value
        table = self._stream("__properties_version1.0")[8 if below else 32 :]
        rows = struct.iter_unpack("<HH4x8s", table[: len(table) // 16 * 16])
        self._fixed = {(number, kind): value for kind, number, value in rows}

    def text(self, number: int, page: int = _PAGE) -> str | None:
        """A text; one in bytes is in the encoding that the property `page` names."""
        if (data := self.value(number, _TEXT)) is not None:
            return _clean(data.decode("utf-16-le"))
        data = self.value(number, _BYTES)
        return None if data is None else _clean(self.decoded(data, page))

    def value(self, number: int, kind: int = _BINARY) -> bytes | None:
        """A value of any length."""
        name = f"__substg1.0_{number:04X}{kind:04X}"
        return self._stream(name) if self._file.exists(self._below + name) else None

    def decoded(self, data: bytes, page: int) -> str:
        """A text of bytes.

        Raises:
            Unread: its encoding is not known.
        """
        value = self._fixed.get((page, _INTEGER)) or self._fixed.get((_PAGE, _INTEGER))
        known = int.from_bytes(value[:4], "little") if value else 1252
        try:
            return str(data, _PAGES.get(known, f"cp{known}"))
        except LookupError:
            raise Unread("in an unknown encoding") from None

    def moment(self, number: int) -> datetime | None:
        """A moment."""
        value = int.from_bytes(self._fixed.get((number, _TIME), b""), "little")
        return _EPOCH + timedelta(microseconds=value // 10) if value else None

    def _stream(self, name: str) -> bytes:
        with self._file.openstream(self._below + name) as stream:
            data: bytes = stream.read()
        return data


def _texts(message: _Properties, wanted: frozenset[str], seen: Seen) -> dict[str, str]:
    """The text, and its form lines."""
    text = message.text(_BODY, _BODY_PAGE)
    if not text:
        html = message.value(_HTML)
        shown = message.text(_HTML) if html is None else message.decoded(html, _BODY_PAGE)
        text = seen(shown) if shown else ""
    rich = None if text else message.value(_RTF)
    if rich and any(path == "@text" or not path.startswith("@") for path in wanted):
        text = _rich(rich)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return {"@text": text, **form_lines(text)}


def _rich(data: bytes) -> str:
    try:
        from potable.sources import rich_text
    except ModuleNotFoundError as absent:
        raise MissingExtra(absent.name or "striprtf", "email") from None
    return rich_text.read(data)


def _heads(message: _Properties, wanted: frozenset[str], header: Header) -> dict[str, str]:
    """Headers as they came with the message, else as its properties have them."""
    raw = message.text(_HEADERS) or ""
    came = BytesParser(policy=compat32).parsebytes(raw.lstrip().encode(), headersonly=True)
    sender, sent = _sender(message), message.moment(_SENT) or message.moment(_RECEIVED)
    found: dict[str, str | None] = {}
    for path in wanted:
        if path.startswith("@"):
            continue
        found[path] = header(came, path)
        if found[path] is None and (number := _HEADS.get(path.lower())):
            found[path] = message.text(number)
        elif found[path] is None and path.lower() == "from":
            found[path] = " ".join(filter(None, [message.text(_SENDER), sender and f"<{sender}>"]))
        elif found[path] is None and path.lower() == "date" and sent:
            found[path] = formatdate(sent.timestamp())
    found["@from"] = sender or parseaddr(header(came, "from") or "")[1]
    found["@date"] = sent.isoformat() if sent else None
    return {path: text for path, text in found.items() if text}


def _sender(message: _Properties) -> str:
    """The sender's address as other servers know it; inside one, people have other names."""
    if smtp := message.text(_SENDER_SMTP):
        return smtp
    return (message.text(_SENDER_ADDRESS) or "") if message.text(_SENDER_KIND) in (None, "SMTP") else ""


def _attached(file: olefile.OleFileIO, message: _Properties) -> dict[str, str]:
    """Names of the attachments; their kind, where they have none."""
    names = []
    for path in file.listdir(streams=False, storages=True):
        if _is_attached(path):
            held = _Properties(file, f"{path[0]}/")
            known = (held.text(number) for number in (_FILE, _SHORT_FILE, _NAME, _KIND))
            names.append(next(filter(None, known), "application/octet-stream"))
    return {"@attachments": json.dumps(names, ensure_ascii=False)}


def _is_attached(path: list[str]) -> bool:
    return len(path) == 1 and path[0].startswith(_ATTACHED)


def _clean(text: str) -> str:
    """Without the zero that ends some texts."""
    return text.rstrip("\0")
