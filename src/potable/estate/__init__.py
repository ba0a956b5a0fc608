"""The synthetic enterprise: five systems full of invented people, what is wrong with them, and the truth.

    python -m potable.estate make DIR --employees 2000 --years 20 --seed 7
    python -m potable.estate serve DIR -- CMD …
In Python: make(directory, …) and, as a context manager giving the base URL, serve(directory, …).
This room stands below everything else and imports nothing of Potable.
"""

from __future__ import annotations

from potable.estate.generate import Estate, make
from potable.estate.server import serve

__all__ = ["Estate", "make", "serve"]
