"""fakesnow (DuckDB behind Snowflake's protocol) in its own environment: statements come by lines of JSON, answers go out.

python snowflake_server.py
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import fakesnow
import snowflake.connector


def main() -> None:
    """Serve until the input ends."""
    # what it says of itself goes where errors go
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(answer: Any) -> None:
        print(json.dumps(answer), file=out, flush=True)

    with fakesnow.server() as settings, snowflake.connector.connect(**settings) as connection:
        tell({name: settings[name] for name in ("host", "port", "user", "password", "account")})
        cursor = connection.cursor()
        for line in sys.stdin:
            try:
                tell({"rows": cursor.execute(json.loads(line)).rowcount})
            except snowflake.connector.Error as error:
                tell({"error": str(error)})


if __name__ == "__main__":
    main()
