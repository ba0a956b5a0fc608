"""What was imported is no garbage while a run goes on, and is let go as it ends."""

from __future__ import annotations

import gc
import weakref

import pytest

from potable.engines.freed import imports_kept


class Ring:
    """Something that only a look for garbage finds."""

    def __init__(self) -> None:
        self.itself = self


def test_only_what_is_made_meanwhile_is_looked_through() -> None:
    early = weakref.ref(Ring())
    with pytest.raises(OSError, match="ends"), imports_kept():
        late = weakref.ref(Ring())
        gc.collect()
        assert (early() is None, late() is None) == (False, True)
        raise OSError("ends")
    gc.collect()
    assert gc.get_freeze_count() == 0
    assert early() is None
