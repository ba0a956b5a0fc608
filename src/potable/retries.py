"""How often an object store is asked again, by whoever asks it: the lake and engines.

What the library does by itself ends after three seconds in most cases (its pauses hardly grow): less than a store needs
that slows a client down, or is started anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

RETRIES: Any = {
    "max_retries": 12,
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=3), "base": 4},
    "retry_timeout": timedelta(minutes=3),
}
"""For obstore: pauses of 10 to 30 seconds altogether."""
