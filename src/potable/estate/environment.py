"""estate.env: where a pipeline finds the systems of an estate, as NAME=value lines.

Only writing and reading of that file. Entries: write_environment, read_environment.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

PORT = 8765
NAME = "estate.env"


def write_environment(directory: Path, seed: int, hrms_url: str | None) -> dict[str, str]:
    """Writes estate.env; returns its names and values."""
    place = directory.resolve()
    values = {
        "HRMS_URL": hrms_url or f"sqlite:///{place / 'hrms' / 'hrms.sqlite'}",
        "PAYROLL_EXPORTS": str(place / "payroll"),
        "LMS_URL": f"http://127.0.0.1:{PORT}",
        "LMS_TOKEN": hashlib.sha256(f"northwind lms {seed}".encode()).hexdigest()[:32],
        "REVIEW_DUMPS": str(place / "reviews"),
        "EXIT_INTERVIEWS": str(place / "exit_interviews"),
    }
    file = directory / NAME
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    # it holds a token, and so does the .env that is copied from it
    file.chmod(0o600)
    return values


def read_environment(directory: Path) -> dict[str, str]:
    """The names and values in an estate's estate.env."""
    lines = (directory / NAME).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line)
