"""Bounds of an XML document on its way to a reader that has none: how deep it goes, how long one piece of it is.

The reader holds a name per open element and every text, attribute or comment whole, so a small packed file could
take any memory. Blocks are looked at as bytes, at memory speed; only what looks too deep is counted by expat.

Entry: `Bounds.look`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

LONGEST = 16 << 20
"""Bytes that may stand between two tags, and in one."""
DEEPEST = 1000
"""Elements that may be open at a time."""
TOO_LONG = f"it contains a text, attribute or comment larger than {LONGEST >> 20} MiB"
TOO_DEEP = f"its elements are nested more than {DEEPEST:,} deep"
_CLOSERS = {b"<!-": (b"-->", 7), b"<![": (b"]]>", 12), b"<?": (b"?>", 4)}
"""What ends a special piece, and the fewest bytes of a whole one."""
# what is not closed goes to the end; possessive, so that each byte is looked at once
_SPECIAL = re.compile(
    rb"<!--[^-]*+(?:-(?!->)[^-]*+)*+(?:-->|\Z)"
    rb"|<!\[CDATA\[[^\]]*+(?:\](?!\]>)[^\]]*+)*+(?:\]\]>|\Z)"
    rb"|<\?[^?]*+(?:\?(?!>)[^?]*+)*+(?:\?>|\Z)"
)
_CUT = re.compile(rb"<(?:!(?:-|\[\w{0,6})?)?\Z")
"""The beginning of a special piece at the end of a block."""


class Bounds:
    """What was seen of a document, as far as it bounds the reader's memory."""

    def __init__(self, record: str, deep: Callable[[], None]) -> None:
        """Bounds of a document.

        Args:
            record: name, with its prefix, of the element that ends often.
            deep: called once when the document looks too deep; raises if it is.
        """
        self._end = f"</{record}>".encode()
        self._deep: Callable[[], None] | None = deep
        self._closer = b""
        self._carry = b""
        self._run = 0
        self._depth = 0

    def look(self, block: bytes) -> bool:
        """Look at the next block; False when a piece is too long.

        Raises:
            Exception: what `deep` raises.
        """
        markup = self._markup(block)
        self._run = 0 if b"<" in markup else self._run + len(block)
        if self._deep:
            self._count(markup)
        return self._run <= LONGEST

    def _markup(self, block: bytes) -> bytes:
        """Tags and texts in a block, comments and the like taken out."""
        data = self._carry + block
        self._carry = b""
        if self._closer:
            end = data.find(self._closer)
            if end < 0:
                self._carry = data[-2:]
                return b""
            data, self._closer = data[end + len(self._closer) :], b""
        if data.startswith(b"<?") and (end := data.find(b"?>", 2)) >= 0:
            # the declaration most documents begin with, and mostly the only special piece there is
            data = data[end + 2 :]
        if (b"!" in data and b"<!" in data) or (b"?" in data and b"<?" in data):
            (last,) = deque(_SPECIAL.finditer(data), maxlen=1) or (None,)
            if last and last.end() == len(data):
                self._open(last[0])
            data = _SPECIAL.sub(b"", data)
        if cut := _CUT.search(data, max(0, len(data) - 9)):
            data, self._carry = data[: cut.start()], cut[0]
        return data

    def _open(self, special: bytes) -> None:
        """Note what ends a special piece that ends a block, if it goes on."""
        closer, fewest = _CLOSERS.get(special[:3]) or _CLOSERS[b"<?"]
        if not special.endswith(closer) or len(special) < fewest:
            self._closer, self._carry = closer, special[fewest - len(closer) :][-2:]

    def _count(self, markup: bytes) -> None:
        # a record that ends leaves no element in it open; to hide depth from this costs more bytes than memory
        end = markup.rfind(self._end)
        if end >= 0:
            self._depth, markup = 0, markup[end:]
        self._depth += markup.count(b"<") - 2 * markup.count(b"</") - markup.count(b"/>")
        if self._depth > DEEPEST and self._deep:
            deep, self._deep = self._deep, None
            deep()
