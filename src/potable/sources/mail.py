"""E-mails (.eml, and .msg as Outlook saves them): one record per message, of its headers, its form lines and its text.

A column's path is the name of a header (`Subject`; case does not matter), the label of a line (`Employee number:
E0012`), `@text`, `@from` (the sender's address), `@date` (ISO 8601), `@attachments` (their names, as a JSON list) or
`@object`. Of parts that say the same, the plain one is the text, or else the HTML one; all others follow one another.
`@from` is empty where there is no address. Attachments are listed, not read; a file of several messages (mbox) is
quarantined.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.errors import HeaderParseError, InvalidBase64LengthDefect, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parseaddr, parsedate_to_datetime
from typing import ClassVar

from lxml import etree

from potable.errors import MissingExtra
from potable.sources.blobs import Blob
from potable.sources.documents import DocumentSource, DocumentTable, Unread, content, decoded, form_lines

_LONGEST_HEADER = 1 << 20
_MOST_PARTS = 10_000
_MOST_NESTED = 50
_NESTS = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(rb"^--", re.MULTILINE)
_NEXT_OF_MBOX = re.compile(rb"\n\r?\nFrom \S[^\n]*\d{4}\r?\n[!-9;-~]+:")
"""Where the next message begins in a file of several."""
_LATIN = frozenset(("iso-8859-1", "iso8859-1", "latin1", "latin-1"))
_SILENT = frozenset(("script", "style", "head", "title", "template"))
_BLOCKS = frozenset(
    ("address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li")
) | {"ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"}


class MailTable(DocumentTable):
    """A table of e-mails."""


class MailSource(DocumentSource[MailTable]):
    """A folder of e-mails, one message per file."""

    offered: ClassVar[tuple[str, ...]] = ("@from", "@date", "Subject", "@text")

    def fields(self, table: MailTable, blob: Blob, wanted: frozenset[str]) -> Mapping[str, str]:
        data = content(blob)
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            return _of_outlook(data, wanted)
        if len(_NESTS.findall(data)) > _MOST_NESTED or len(_BOUNDARY.findall(data)) > _MOST_PARTS:
            raise Unread("beyond the limits of a message")
        if data.startswith(b"From ") and _NEXT_OF_MBOX.search(data):
            raise Unread("several messages in one file (mbox); one per file is read")
        try:
            message = BytesParser(policy=compat32).parsebytes(data)
            return _read(message, wanted)
        # what Python's reader says of parameters that are none: no other list of it is to be had
        except (MessageError, RecursionError, etree.LxmlError, ValueError, TypeError, LookupError, AttributeError):
            raise Unread("damaged") from None


def _of_outlook(data: bytes, wanted: frozenset[str]) -> dict[str, str]:
    try:
        from potable.sources import outlook
    except ModuleNotFoundError as absent:
        raise MissingExtra(absent.name or "olefile", "email") from None
    return outlook.read(data, wanted, header=_header, seen=_seen)


def _read(message: Message, wanted: frozenset[str]) -> dict[str, str]:
    if not message.keys():
        raise Unread("no message: it has no headers")
    text = _text(message)
    attached = _attached(list(_parts(message)))
    found = {"@text": text, "@attachments": json.dumps(attached, ensure_ascii=False), **form_lines(text)}
    for path in wanted:
        if not path.startswith("@") and (value := _header(message, path)) is not None:
            found[path] = value
    if "@from" in wanted and (sender := _sender(message)):
        found["@from"] = sender
    if "@date" in wanted and (sent := _header(message, "date")):
        found["@date"] = _moment(sent)
    return found


def _sender(message: Message) -> str | None:
    """The sender's address, where there is one: what stands in place of one is that of many."""
    raw = (_raw(message, "from") or "").encode("utf-8", "surrogateescape")
    try:
        # a decoded name may hold a comma
        found = parseaddr(raw.decode("utf-8"))[1]
    except UnicodeDecodeError:
        raise Unread("a header in no declared encoding") from None
    return found if "@" in found else None


def _moment(text: str) -> str:
    """A date header as ISO 8601; what is no date stays as it is and does not fit a timestamp."""
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, OverflowError):
        return text


def _header(message: Message, name: str) -> str | None:
    """The first header of that name as it reads, on one line."""
    raw = _raw(message, name)
    if raw is None:
        return None
    try:
        return _words(raw.encode("ascii", "surrogateescape").decode("utf-8"))
    except UnicodeDecodeError:
        raise Unread("a header in no declared encoding") from None
    except HeaderParseError:
        raise Unread("damaged") from None


def _words(text: str) -> str:
    """A text of a header as it reads, its encoded words decoded."""
    # without any encoded word it is a str; between encoded words, latin-1 or what the header was read as
    pieces = [piece if isinstance(piece, str) else _piece(piece, charset) for piece, charset in decode_header(text)]
    return " ".join("".join(pieces).split())


def _raw(message: Message, name: str) -> str | None:
    """The first header of that name as it came."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)
    if raw is not None and len(raw) > _LONGEST_HEADER:
        raise Unread("beyond the limits of a message")
    return raw


def _piece(piece: bytes, charset: str | None) -> str:
    return _said(piece, charset) if charset else piece.decode("raw-unicode-escape")


def _said(data: bytes, charset: str | None) -> str:
    """A text in the encoding it declares; many say Latin 1 and mean Windows-1252, as everybody reads it."""
    if charset and charset.lower() in _LATIN:
        with suppress(UnicodeDecodeError):
            data, charset = data.decode("cp1252").encode(), "utf-8"
    return decoded(data, charset)


def _parts(message: Message) -> Iterator[Message]:
    """The parts that hold something, messages in the message as one."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part)
    else:
        yield message


def _is_text(part: Message) -> bool:
    return part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"


def _attached(parts: list[Message]) -> list[str]:
    """Names of the attachments; their kind, where they have none."""
    return [_named(part) or part.get_content_type() for part in parts if not _is_text(part)]


def _named(part: Message) -> str:
    """The name of a part as it reads; most programs write it in encoded words or plain UTF-8, which no standard has."""
    told = Message()
    for header in ("content-disposition", "content-type"):
        raw = _raw(part, header) or ""
        told[header] = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    name = (told.get_filename() or "").encode("utf-8", "replace").decode()
    try:
        return _words(name)
    except (HeaderParseError, Unread):
        return name


def _text(message: Message) -> str:
    return "\n".join(_seen(_decoded(part)) if _is_html(part) else _decoded(part) for part in _shown(message))


def _shown(message: Message) -> list[Message]:
    """The parts that are shown as text: of several that say the same, the plain one where it says anything."""
    if message.get_content_maintype() != "multipart":
        return [message] if _is_text(message) else []
    if not message.is_multipart():
        # nobody can tell its parts apart
        raise Unread("damaged")
    found = [each for part in message.get_payload() if isinstance(part, Message) for each in _shown(part)]
    if message.get_content_subtype() != "alternative":
        return found
    says = any(part.get_content_subtype() == "plain" and _decoded(part).strip() for part in found)
    return [part for part in found if says != _is_html(part)] if any(map(_is_html, found)) else found


def _is_html(part: Message) -> bool:
    return part.get_content_subtype() == "html"


def _decoded(part: Message) -> str:
    coding = (_raw(part, "content-transfer-encoding") or "").partition("(")[0].strip()
    if coding:
        part.replace_header("Content-Transfer-Encoding", coding)
    data = part.get_payload(decode=True)
    if any(isinstance(defect, InvalidBase64LengthDefect) for defect in part.defects):
        # it is given as it came, in which no name is found
        raise Unread("damaged")
    return _said(data if isinstance(data, bytes) else b"", part.get_content_charset())


def _seen(html: str) -> str:
    """The text a browser would show, its blocks on lines of their own."""
    if not html.strip():
        return ""
    root = etree.fromstring(html.encode(), etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False))
    pieces: list[str] = []
    hidden = 0
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        silent = element.tag in _SILENT
        if event == "start":
            hidden += silent
            pieces += ["\n"] if element.tag in _BLOCKS else []
            pieces += [" ".join(f".{element.text}.".split())[1:-1]] if element.text and not hidden else []
        else:
            hidden -= silent and event == "end"
            pieces += ["\n"] if element.tag in _BLOCKS and event == "end" else []
            pieces += [" ".join(f".{element.tail}.".split())[1:-1]] if element.tail and not hidden else []
    lines = ("".join(pieces)).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())
