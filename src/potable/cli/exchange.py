"""`potable contract export|import`: contracts as other tools write them.

`odcs` is the Open Data Contract Standard 3.1, `gx` a suite of Great Expectations. What a contract of others says
that has no meaning here is named above what was taken over.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from potable.cli.schemas import marked
from potable.cli.testing import selected
from potable.contracts.odcs import plain as as_json
from potable.contracts.odcs import require_odcs, to_odcs
from potable.contracts.odcs_import import from_odcs
from potable.contracts.suite_files import from_suite, to_suite
from potable.contracts.suites import read_suite
from potable.errors import Place, ProjectError
from potable.privacy.categories import CATEGORIES
from potable.project import Project
from potable.report.numbers import plain

_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def exported(project: Project, select: str, form: str) -> str:
    """The contract of a source or table as text: YAML of the standard, or JSON of a suite.

    Raises:
        ProjectError: P031, there is no such source or table, or it is the dataset; P005, a suite is of one table.
        MissingExtra: the standard's package is not installed.
    """
    names = selected(project, select)
    if not names:
        raise ProjectError(f"`{select}` is the dataset; only a source or a table has a contract", "P031")
    source = names[0].split(".", 1)[0]
    if form == "gx":
        if len(names) > 1:
            listed = ", ".join(names)
            raise ProjectError(
                f"`{select}` has several tables, and a suite describes one table", "P005", allowed=listed
            )
        table = project.tables[names[0]]
        own = read_suite(project.root, table.suite) if table.suite else None
        return json.dumps(to_suite(names[0], table, own), indent=2, ensure_ascii=False)
    literal = project.documents[source].literal
    head = {key: value for key, value in literal.items() if key != "tables"}
    tables = {name.split(".", 1)[1]: literal["tables"][name.split(".", 1)[1]] for name in names}
    document = to_odcs(head, tables)
    require_odcs(document, f"{source}.odcs.yaml")
    return dumped(document)


def imported(file: Path, form: str) -> str:
    """The file of a source, or what a suite says of one table, as YAML of ours.

    Raises:
        ProjectError: P001 there is no such file, P002 it is no YAML, P005 or P020 it is not what it should be.
        MissingExtra: the standard's package is not installed.
    """
    if form == "gx":
        suite = read_suite(file.parent, file.name)
        table, left = from_suite(suite)
        name = suite.name.rpartition(".")[2]
        return _told(left, "expectations that cannot be run") + dumped({"tables": {name: table}})
    document = _loaded(file)
    require_odcs(document, str(file))
    found = from_odcs(document, categories=CATEGORIES)
    text = dumped({**found.head, "tables": found.tables})
    if "type" not in found.head:
        text = "# add what the system is and where: `type`, and the keys that type needs\n" + text
    return marked(f"sources/{found.head['source']}.yaml", _told(found.left, "not imported") + text)


def dumped(data: Mapping[str, Any]) -> str:
    """Data as YAML, in its order."""
    writer = YAML(typ="rt")
    writer.width, writer.default_flow_style = 10_000, False
    writer.representer.ignore_aliases = lambda _: True
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    writer.dump(_escaped(data), out)
    return out.getvalue()


def _escaped(value: Any) -> Any:
    """The data with texts that YAML would read as others marked for quotes that escape."""
    if isinstance(value, Mapping):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and _UNPRINTABLE.search(value) else value


def _loaded(file: Path) -> Any:
    try:
        document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8-sig"))
        # what holds itself is no data either
        as_json(document)
        return document
    except OSError as failure:
        problem = f"`{file.name}` cannot be read ({type(failure).__name__})"
        raise ProjectError(problem, "P001", place=Place(str(file))) from None
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise ProjectError("the contract is not valid YAML", "P002", place=Place(str(file))) from None


def _told(left: Sequence[str], what: str) -> str:
    return "".join(f"# {what}: {plain(' '.join(each.split()))}\n" for each in left)
