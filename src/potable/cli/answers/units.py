"""Units of what commands print: a number or text of the key's type, and how it is meant."""

from __future__ import annotations

from typing import Annotated

Bytes = Annotated[int, "bytes"]
Seconds = Annotated[float, "seconds"]
Moment = Annotated[str, "time"]
Day = Annotated[str, "day"]
Place = Annotated[str, "path or URL"]
Empty = Annotated[dict[str, object], "object"]
"""Without any key."""
Cell = str | int | float | bool | None
"""A value of a column."""
