"""pandas is imported by whoever asks for it, never by pyarrow alone, and pyarrow knows it from then on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="pandas is not installed, so nothing can import it")
LAZY = """
import sys
from potable.lazy_pandas import make_pandas_lazy
make_pandas_lazy()
import pyarrow as pa
pa.array([1, None]), pa.scalar("a")
print("pandas" in sys.modules)
"""
CELLS = "print(pa.array(pd.Series([1.5, float('nan')])).null_count, pa.table({'a': [1]}).to_pandas().shape)"


def told(code: str, *arguments: str) -> str:
    call = [sys.executable, "-c", code, *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


def test_pyarrow_does_not_import_it_and_knows_it_from_then_on() -> None:
    assert told(f"{LAZY}\nimport pandas as pd\n{CELLS}").split("\n")[:2] == ["False", "1 (1, 1)"]


def test_also_where_pyarrow_was_imported_before() -> None:
    assert told(f"import pyarrow\n{LAZY}\nimport pandas as pd\n{CELLS}").split("\n")[:2] == ["False", "1 (1, 1)"]


def test_where_pandas_brings_pyarrow_nothing_changes() -> None:
    code = f"{LAZY.replace('import pyarrow', 'import pandas as pd; import pyarrow')}\n{CELLS}"
    assert told(code).split("\n")[:2] == ["True", "1 (1, 1)"]


def test_what_needs_it_imports_it() -> None:
    code = f"{LAZY}\nprint(list(pa.array([1]).to_pandas()))\nimport pandas as pd\n{CELLS}"
    assert told(code).split("\n")[:3] == ["False", "[1]", "1 (1, 1)"]


def test_where_it_is_imported_already_nothing_changes() -> None:
    code = "import pandas as pd, sys\nbefore = list(sys.meta_path)\n" + LAZY.replace("import sys\n", "")
    assert told(f"{code}\nprint(before == sys.meta_path)\n{CELLS}").split("\n")[:3] == ["True", "True", "1 (1, 1)"]


def test_where_it_is_not_installed_asking_for_it_says_so() -> None:
    gone = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "pandas" else real(name, *more)
sys.path_importer_cache.clear()
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
try:
    import pandas
except ModuleNotFoundError as missing:
    print(missing.name)
"""
    assert told(LAZY + gone).split("\n")[:2] == ["False", "pandas"]


def test_a_command_does_not_import_it(tmp_path: Path) -> None:
    code = """
import sys
from potable.cli.app import main
for given in (["init", "--example", "churn", sys.argv[1]], ["-C", sys.argv[1], "check"], ["-C", sys.argv[1], "run"]):
    try:
        main(given)
    except SystemExit as ended:
        assert not ended.code
print("pandas" in sys.modules)
"""
    assert told(code, str(tmp_path / "p")).rstrip().split("\n")[-1] == "False"
