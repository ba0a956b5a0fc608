"""The DAG file of a project: static, the same for the same declarations, and importing only Airflow.

The operator and its functions are copied from this package's own files, so that the generated file and
`potable.airflow` cannot differ. Entry: `dag_file`.
"""

from __future__ import annotations

import ast
import glob
import json
import re
from collections.abc import Iterator
from itertools import takewhile
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import potable
from potable.declarations import Document
from potable.errors import ProjectError, raise_all
from potable.project import Project
from potable.projectfiles import REFERS
from potable.runs.record import VERBS
from potable.scheduling import AirflowSettings, span
from potable.sources.files import FileSource

_HERE = Path(__file__).parent
_WIDTH = 100
_ELSEWHERE = re.compile(r"^(?!file:)[a-z0-9]+://|\$\{(?!env:)", re.IGNORECASE)
"""A path at which Airflow cannot look for files: a bucket, a server, or a place that only Potable can look up."""
_CLASSES = {"bash": "BashRun", "python": "PythonRun", "virtualenv": "VirtualenvRun", "kubernetes": "KubernetesRun"}
_ENDING = re.compile(r".\.[A-Za-z]\w*$")
"""Of the name of a file."""
_OURS = (
    *("task_id", "owner", "verb", "select", "inlets", "outlets", "map_index_template", "max_active_tis_per_dag"),
    *("cmds", "arguments", "do_xcom_push", "params", "project", "environment", "command"),
)
"""What the generated tasks say of themselves, and `pod` so cannot."""
_NEEDED = {
    "datetime": {"datetime", "timedelta"},
    "typing": {"Any"},
    "zoneinfo": {"ZoneInfo"},
    "airflow.sdk": {"DAG", "Param"},
}
_DEADLINE = {"AsyncCallback", "DeadlineAlert", "DeadlineReference"}


def default_path(project: Project) -> Path:
    """Where the DAG file goes when nobody says: `dags/<id of the DAG>.py` in the project's folder."""
    return project.root / "dags" / f"{_dag_id(project)}.py"


def _dag_id(project: Project) -> str:
    """As declared; or the project's name as far as Airflow takes it: letters, digits, dots, dashes and underscores."""
    if declared := project.platform.airflow.dag_id:
        return declared
    return re.sub(r"[^\w.-]+", "_", project.platform.project, flags=re.ASCII).strip("._") or "potable"


def dag_file(project: Project, path: Path, *, environment: str = "") -> str:
    """The text of the DAG file at `path`.

    Args:
        environment: name of the overlay that the tasks shall use too.

    Raises:
        ProjectError: or ProjectErrors: P040, `airflow.wait_for` names a source that has no files, or none at all, or
            the section says what cannot be written into a file; P001, a file of the project is not written yet.
    """
    project.require_written("a DAG, which runs all verbs,")
    raise_all(list(_unfit(project)))
    settings = project.platform.airflow
    waited_for = arrivals(project)
    modules = ["runs", settings.operator, *(["arrival"] if waited_for else [])]
    trees = [ast.parse((_HERE / f"{module}.py").read_text(encoding="utf-8")) for module in modules]
    sources = [(_HERE / f"{module}.py").read_text(encoding="utf-8").splitlines() for module in modules]
    facts = {
        **_texts(project, environment),
        **_places(project, path),
        **_schedule(settings),
        "imports": _imports(trees, deadline=settings.deadline is not None, files=bool(waited_for)),
        "code": "\n\n\n".join(_bodies(trees, sources)),
        "arrivals": _literal(waited_for) if waited_for else "",
        "run": _CLASSES[settings.operator],
        "asked": _asked(settings, environment),
        "owners": _owners(project),
    }
    templates = Environment(
        loader=FileSystemLoader(_HERE), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return templates.get_template("dag.py.j2").render(facts)


def _unfit(project: Project) -> Iterator[ProjectError]:
    """What the `airflow:` section says and a file of Python cannot, or must not."""
    document = project.documents["potable"]
    for path, value in _leaves(document.literal.get("airflow") or {}, ("airflow",)):
        name = ".".join(map(str, path))
        if isinstance(value, str) and REFERS in value:
            yield _read_by_all(document, path)
        elif path[1] in ("pod", "deadline") and not _plain(value):
            problem = f"`{name}` cannot be written into a DAG file"
            yield ProjectError(problem, "P040", place=document.place(*path), hint="put it in quotes")
    named = [] if project.platform.airflow.dag_id else [(document, "project")]
    for other, key in [*named, *((project.documents[source], "owner") for source in project.sources)]:
        if REFERS in str(other.literal.get(key)):
            yield _read_by_all(other, (key,))
    settings = project.platform.airflow
    if settings.operator == "kubernetes" and settings.project is None:
        problem = "`operator: kubernetes` needs `airflow.project`: a pod does not see the folder of the DAG file"
        hint = "write the project's folder inside the pod, such as `project: /project`"
        yield ProjectError(problem, "P040", place=document.place("airflow", "operator"), hint=hint)
    for name in filter(settings.pod.__contains__, _OURS):
        problem = f"`airflow.pod` cannot say `{name}`, which the generated tasks say themselves"
        yield ProjectError(problem, "P040", place=document.place("airflow", "pod", name, of_key=True))


def _read_by_all(document: Document, path: tuple[str | int, ...]) -> ProjectError:
    name = ".".join(map(str, path))
    problem = f"`{name}` refers to a value, which would be written into the DAG file for everybody to read"
    hint = "write what is no secret as it is; Airflow has places for secrets: a pod's `env_from`, a connection"
    return ProjectError(problem, "P040", place=document.place(*path), hint=hint)


def _plain(value: object) -> bool:
    """Whether Python writes a value as it is: no date, no endless number."""
    return isfinite(value) if isinstance(value, float) else isinstance(value, str | int | None)


def _leaves(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every single value in what a section says, and its place."""
    if not isinstance(value, dict | list):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, (*path, key))


def _texts(project: Project, environment: str) -> dict[str, object]:
    name, dataset = _dag_id(project), project.features.dataset
    owners = [f"| {source} | {found.type} | {found.owner or '–'} |" for source, found in project.sources.items()]
    doc = [
        f"One dataset that is safe to train on: **{dataset}**, from {len(project.sources)} sources.",
        "",
        "| source | type | owner |",
        "| --- | --- | --- |",
        *owners,
        "",
        f"New versions are events of the asset `potable://{name}/{dataset}`; versions as of another day (backfills)",
        f"are events of `potable://{name}/{dataset}@as-of`.",
    ]
    return {
        "version": potable.__version__,
        "call": f"--env {environment} airflow generate" if environment else "airflow generate",
        "title": name,
        "verbs": ", ".join(VERBS),
        "dag_id": _literal(name),
        "description": _literal(f"{dataset}: {', '.join(VERBS)}"),
        "dataset": _literal(dataset),
        "sources": _literal(list(project.sources)),
        "doc": "\n".join(doc).replace("\\", "\\\\").replace('"', '\\"'),
    }


def _places(project: Project, path: Path) -> dict[str, object]:
    """Where the tasks find the project: as declared, or seen from the DAG file inside it."""
    declared, file = project.platform.airflow.project, path.resolve()
    if declared is None and file.is_relative_to(project.root):
        return {"project": f"str(Path(__file__).resolve().parents[{len(file.relative_to(project.root).parts) - 1}])"}
    return {"project": _literal(declared or str(project.root))}


def _schedule(settings: AirflowSettings) -> dict[str, object]:
    start, deadline = settings.start, settings.deadline
    late: dict[str, object] | None = None
    if deadline:
        seconds = int(span(deadline.after).total_seconds())
        late = {"seconds": seconds, "notify": _literal(deadline.notify), "arguments": _literal(deadline.arguments)}
    return {
        "schedule": _literal(settings.schedule),
        "start": f"{start.year}, {start.month}, {start.day}",
        "timezone": _literal(settings.timezone),
        "retries": settings.retries,
        "retry_delay": int(span(settings.retry_delay).total_seconds()),
        "wait_at_most": int(span(settings.wait_at_most).total_seconds()),
        "deadline": late,
    }


def _asked(settings: AirflowSettings, environment: str) -> str:
    """What every task is given: where the project is, and what its operator needs."""
    given: dict[str, Any] = {"environment": environment} if environment else {}
    # of all runs together: a backfill has its own limit of runs side by side, and by default it is ten
    given["max_active_tis_per_dag"] = settings.parallel
    if settings.operator in ("bash", "kubernetes"):
        given["command"] = settings.command
    if settings.operator == "python":
        given["python"] = settings.python
    if settings.operator == "virtualenv":
        given["requirements"] = list(settings.requirements)
    if settings.operator == "kubernetes":
        given |= {"image": settings.image, **settings.pod}
    rest = "".join(f"    {_literal(name)}: {_literal(value, 4)},\n" for name, value in given.items())
    return f'{{\n    "project": PROJECT,\n{rest}}}'


def _owners(project: Project) -> str:
    """Owner by task; a mapped task belongs to the owners of all sources together."""
    owners = project.platform.airflow.owners
    sources = ", ".join(sorted({source.owner or owners.platform for source in project.sources.values()}))
    named = dict.fromkeys(("arrive", "resolve", "publish"), owners.platform)
    named |= {"ingest": sources, "validate": sources, "protect": owners.privacy, "build": owners.features}
    return _literal({verb: named[verb] for verb in ("arrive", *VERBS)})


def arrivals(project: Project) -> list[dict[str, str]]:
    """What to wait for, by source; sources that are no files, or whose files lie elsewhere, have nothing to watch."""
    wanted = project.platform.airflow.wait_for
    all_files = [name for name, source in project.sources.items() if isinstance(source, FileSource)]
    # as written: references are looked up where the task runs
    paths = {name: str(project.documents[name].literal["path"]) for name in all_files}
    files = [name for name, path in paths.items() if not _ELSEWHERE.search(path)]
    for name, file in wanted.items():
        if name not in (files if file else all_files):
            place = project.documents["potable"].place("airflow", "wait_for", name, of_key=True)
            why = "whose files are where Airflow cannot look" if name in paths else "which is not a source of files"
            problem = f"`airflow.wait_for` names `{name}`, {why}"
            raise ProjectError(problem, "P040", place=place, allowed=", ".join(files) or "none is declared")
    found = []
    for name in files:
        if wanted.get(name, "any file"):
            path = paths[name]
            found.append({"select": name, "files": f"{_folder(path)}/{wanted[name]}" if name in wanted else path})
    return found


def _folder(path: str) -> str:
    """The folder of a path that may be a glob, or a file where its last part has an ending (`tickets.ndjson`)."""
    parts = path.split("/")
    above = [*takewhile(lambda part: not glob.has_magic(part), parts)]
    if above == parts and _ENDING.search(parts[-1]):
        above.pop()
    return "/".join(above) if above else "."


def _imports(trees: list[ast.Module], *, deadline: bool, files: bool) -> str:
    """All imports of the copied files and of the DAG itself, merged and in order."""
    plain: set[str] = set()
    named = {module: set(names) for module, names in _NEEDED.items()}
    named["pathlib"] = {"Path"}
    if deadline:
        named["airflow.sdk"] |= _DEADLINE
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.Import):
            plain |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("potable", "__future__")):
            named.setdefault(node.module, set()).update(alias.name for alias in node.names)
    lines = [f"import {name}" for name in sorted(plain)]
    standard = [module for module in sorted(named) if not module.startswith("airflow")]
    lines += [_from(module, named[module]) for module in standard]
    theirs = [_from(module, named[module]) for module in sorted(named) if module.startswith("airflow")]
    return "\n".join(["from __future__ import annotations", "", *lines, "", *theirs])


def _from(module: str, names: set[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    return f"from {module} import {', '.join(ordered)}"


def _bodies(trees: list[ast.Module], sources: list[list[str]]) -> Iterator[str]:
    """Everything of the copied files below their imports."""
    for tree, lines in zip(trees, sources, strict=True):
        last = max(node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        yield "\n".join(lines[last:]).strip("\n")


def _literal(value: object, indent: int = 0) -> str:
    """`value` as Python source: texts in double quotes, what is long one item per line."""
    if isinstance(value, str):
        # the escapes of JSON are Python's too
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list | tuple):
        return repr(value)
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        items = [f"{_literal(key)}: {_literal(item, indent + 4)}" for key, item in value.items()]
    else:
        items = [_literal(item, indent + 4) for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    line = f"{first}{', '.join(items)}{last}"
    if indent + len(line) <= _WIDTH:
        return line
    return "\n".join([first, *(f"{pad}{item}," for item in items), " " * indent + last])
