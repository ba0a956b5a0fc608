"""What commands print with `-o json` is what they declare, and every key that is declared can be printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sqlite3
import types
import typing
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from tests.runs.conftest import Bench

from potable.cli.answers.commands import ANSWERS
from potable.cli.answers.failure import Failure
from potable.cli.answers.keys import fields, keys, plain
from potable.cli.answers.units import Day, Moment
from potable.cli.app import cli, main
from potable.project import load

EXAMPLES = Path(__file__).parents[2] / "docs" / "json"
FAILURE = "a failure"
DECLARED = {**ANSWERS, FAILURE: Failure}
STATE = {
    "of a database": {"newest": "2024-01-01", "seen": {"a": 1}, "keys_read": "2024-01-02T00:00:00+00:00"},
    "of a stream": {"offsets": {"0": 7}, "lost": {"0": [[1, 3]]}, "restarts": {}},
    "of a connector": {"state": {"bookmark": 1}, "seen": {"a": 1}},
}
"""How far tables of sources of each kind were read, as a batch says it."""


class Shop:
    """A project, and what its commands printed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: dict[str, list[Any]] = defaultdict(list)

    def call(self, name: str, *more: str, code: int = 0, like: str = "") -> Any:
        """What a command prints, kept under its name in the declaration, or as another."""
        asked = [*name.split(), *more] if "-o" in name else [*name.split(), *more, "-o", "json"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(["-C", str(self.root), *asked])
            raise SystemExit(0)
        assert ended.value.code == code, (asked, ended.value.code, err.getvalue())
        self.told[like or name].append(json.loads(out.getvalue(), parse_constant=not_json))
        return self.told[like or name][-1]

    def edit(self, file: str, old: str, new: str) -> None:
        """Change one place of a project file; with nothing to change, append."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")


def not_json(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture(scope="module")
def shop(finished_small: Bench, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The small example, in which every command was called, in its folder and in others."""
    shop = Shop(Path(shutil.copytree(finished_small.root, tmp_path_factory.mktemp("answers") / "shop")))
    changed(shop)
    looked_at(shop)
    identified(shop)
    quarantined(shop)
    sources(shop)
    unwritten(shop)
    cleaned(shop)
    refused(shop)
    return shop


def changed(shop: Shop) -> None:
    """A second version, by other definitions and with more that is checked."""
    shop.edit("features.yaml", "tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo")
    shop.edit("features.yaml", "", "\nbias: {groups: [country], favourable: Stayed}\n")
    shop.edit("privacy.yaml", "", "\nidentify: {columns: [crm.customers.email], purposes: [offer], most: 300}\n")
    exits = shop.root / "data" / "cancellations.csv"
    exits.write_text("".join(f"{line},mood\n" for line in exits.read_text("utf-8").splitlines()), "utf-8")
    assert shop.call("plan", "--exit-code", code=5)["pending"]
    assert shop.call("run", "--reason", "a month later")["outcome"] == "published"
    assert shop.call("run -o line", "--exit-code", code=99)["version"] == 2
    shop.call("plan")
    shop.call("plan --estimate", "--size", "2x")
    shop.call("plan --estimate", "--engine", "spark", "--nodes", "2", "--size", "0.8TB")


def looked_at(shop: Shop) -> None:
    """The dataset, and the project it comes from."""
    shop.call("check")
    shop.call("doctor")
    shop.call("diff")
    shop.call("get", str(shop.root.parent / "copies"), "--version", "1")
    shop.call("explain", "tickets_6mo")
    shop.call("explain", "tickets_per_month")
    assert shop.call("explain", "plan")["records"][0]["columns"]
    for form in ("report", "report --format gx", "report --format prometheus"):
        shop.call(form)
    for table in ("crm.subscriptions", "crm.customers", "desk.tickets"):
        shop.call("profile", table)
    assert shop.call("profile", "crm.subscriptions", "--period", "2022-05")["period"] == "2022-05"
    shop.call("airflow generate")
    shop.call("airflow generate", "--check")
    shop.call("test", "crm")
    shop.edit("sources/crm.yaml", "2022-05-01, ended_on: 2022-04-01", "2022-05-01, ended_on: 2022-06-01")
    assert shop.call("test", "crm", code=1)["failed"] == 1
    shop.edit("sources/crm.yaml", "2022-05-01, ended_on: 2022-06-01", "2022-05-01, ended_on: 2022-04-01")


def identified(shop: Shop) -> None:
    """Who people are, told and refused."""
    csv = Path(shop.call("show")["files"]["csv"])
    scores = shop.root.parent / "scores.csv"
    scores.write_text("".join(line.split(",")[0] + "\n" for line in csv.read_text("utf-8").splitlines()), "utf-8")
    asked = ("identify", str(scores), "--purpose", "offer", "--out", str(shop.root.parent / "people.csv"))
    shop.call(*asked)
    shop.call(*asked[:3], "curiosity", "--out", str(shop.root.parent / "more.csv"), code=4, like=FAILURE)
    shop.call("identify --log")


def quarantined(shop: Shop) -> None:
    """What is held back, and taken back."""
    shop.call("quarantine list")
    shop.call("quarantine show", "crm.subscriptions")
    shop.call(
        "quarantine export", "crm.subscriptions", "--to", str(shop.root.parent / "held.ndjson"), "--why", "to mend"
    )
    shop.call("quarantine replay", "crm.subscriptions")


def sources(shop: Shop) -> None:
    """Source systems, and how far they were read."""
    shop.call("source preview", "crm", "--rows", "2")
    shop.call("source reconcile", "crm.subscriptions")
    shop.call("contract suggest", "desk.tickets", "--fresh")
    shop.call("state show")
    shop.call("state rewind", "crm", "--to", "1")
    other = Shop(shop.root.parent / "other")
    shutil.copytree(shop.root, other.root, ignore=shutil.ignore_patterns("lake", "vault"))
    with contextlib.closing(sqlite3.connect(other.root / "crm.db")) as database, database:
        database.execute("CREATE TABLE offers (id INTEGER PRIMARY KEY, updated_at TIMESTAMP NOT NULL)")
        database.executemany("INSERT INTO offers VALUES (?, ?)", [(n, f"2024-01-{n:02} 00:00:00") for n in range(1, 9)])
    (other.root / "sources" / "db.yaml").write_text(
        f"source: db\ntype: sql\nurl: sqlite:///{other.root}/crm.db\ntables: {{offers: {{}}}}\n", "utf-8"
    )
    shop.told["source discover"].append(other.call("source discover", "db"))
    (other.root / "sources" / "db.yaml").unlink()
    # nothing is landed there
    shop.told["quarantine list"].append(other.call("quarantine list"))
    landed = {"landed_at": "2024-01-01T00:00:00+00:00", "objects": [], "gone": [], "state": STATE}
    load(other.root).lake().batches("crm").append(landed, parent=0)
    shop.told["state show"].append(other.call("state show", "crm"))


def unwritten(shop: Shop) -> None:
    """A project whose later files are not written yet."""
    other = Shop(shop.root.parent / "other")
    for file in ("privacy.yaml", "features.yaml"):
        (other.root / file).unlink()
    shop.told["check"].append(other.call("check"))
    shop.told["plan"].append(other.call("plan"))


def cleaned(shop: Shop) -> None:
    """What is not needed any more, and went."""
    moment = datetime.now(UTC) - timedelta(days=12)
    for path in (shop.root / "lake/open/runs").glob("*.json"):
        record = json.loads(path.read_text("utf-8")) | {"started": moment.isoformat(timespec="seconds")}
        path.write_text(json.dumps(record), "utf-8")
    for path in [each for root in ("lake", "vault") for each in (shop.root / root).rglob("*")]:
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    assert shop.call("gc", "--keep-versions", "1", "--delete")["versions"]
    assert shop.call("show")["removed"]


def refused(shop: Shop) -> None:
    """What cannot be done, for reasons of all kinds."""
    assert shop.call("show", "--rows", "many", code=2, like=FAILURE)["error"]["code"] == "P050"
    shop.call("show", "custom_churn", code=2, like=FAILURE)
    shop.call("report", "no-run", code=3, like=FAILURE)
    (shop.root / "data" / "customers.csv").rename(shop.root / "data" / "elsewhere.csv")
    assert shop.call("run", code=3)["error"]["errors"][0]["code"] == "E002"
    shop.call("run -o line", code=3)
    shop.edit("features.yaml", "value(country)", "values(country)")
    assert len(shop.call("run", code=2, like=FAILURE)["error"]["errors"]) == 1
    shop.edit("features.yaml", "avg(hours_to_close)", "avg(hours)")
    found = shop.call("check", code=2, like=FAILURE)["error"]
    assert len(found["errors"]) == 2 and found["problem"] == "2 errors in the project files"
    assert shop.call("run -o line", code=2) == {"exit_code": 2, "error": found["code"]}


def test_every_command_that_has_it_is_declared() -> None:
    names = set()
    for name, command in cli.commands.items():
        group = command.commands if isinstance(command, click.Group) else {"": command}
        for inner, each in group.items():
            if any("json" in getattr(option.type, "choices", ()) for option in each.params):
                names.add(f"{name} {inner}".strip())
    assert names == {name.partition(" -")[0] for name in ANSWERS}
    assert all(key.meaning for declared in DECLARED.values() for key in keys(declared, errors=True))


@pytest.mark.parametrize("name", DECLARED)
def test_a_command_prints_the_keys_that_it_declares_and_no_others(shop: Shop, name: str) -> None:
    declared = DECLARED[name]
    seen = set[str]()
    for value in shop.told[name]:
        problems = conforming(value, declared, "", seen)
        assert not problems, (name, problems)
    wanted = {key.path for key in keys(declared, errors=name == FAILURE)}
    assert wanted - seen == set(), "declared, and never printed"


def conforming(value: Any, kind: Any, path: str, seen: set[str]) -> list[str]:
    """What of a value its type does not declare, or declares otherwise; `seen` are the paths of its keys."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if own := fields(kind):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        problems = [f"{path}.{key}: not declared" for key in value.keys() - own.keys()]
        problems += [f"{path}.{key}: missing" for key in own if own[key].always and key not in value]
        for key in value.keys() & own.keys():
            seen.add(f"{path}.{key}".removeprefix("."))
            problems += conforming(value[key], own[key].kind, f"{path}.{key}", seen)
        return problems
    if origin in (typing.Union, types.UnionType):
        tried = [(set[str](), argument) for argument in arguments]
        found = [(conforming(value, argument, path, paths), paths) for paths, argument in tried]
        problems, paths = min(found, key=lambda each: (len(grave(each[0])), len(each[0])))
        seen |= paths
        return problems
    if kind in (Moment, Day):
        return said(value, path, datetime if kind is Moment else date)
    if origin is typing.Annotated:
        return conforming(value, plain(kind), path, seen)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{path}: {value!r} is none of {arguments}"]
    return listed(value, kind, path, seen)


def listed(value: Any, kind: Any, path: str, seen: set[str]) -> list[str]:
    """The same of a list, of an object whose keys are names, and of single values."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind in (Any, object):
        return []
    if issubclass(origin, Mapping):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        return [each for item in value.values() for each in conforming(item, arguments[1], f"{path}.*", seen)]
    if issubclass(origin, Sequence) and origin is not str:
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no array"]
        return [each for item in value for each in conforming(item, arguments[0], f"{path}[]", seen)]
    fits = type(value) in ((int, float) if kind is float else (kind,))
    return [] if fits else [f"{path}: {value!r} is no {kind.__name__}"]


def grave(problems: list[str]) -> list[str]:
    """Those that are not explained by a value that was shortened."""
    return [each for each in problems if not each.endswith(": missing")]


def said(value: Any, path: str, wanted: type[date]) -> list[str]:
    """What is wrong with a time or a day."""
    try:
        found = wanted.fromisoformat(value)
    except (TypeError, ValueError):
        return [f"{path}: {value!r} is no time"]
    return [f"{path}: {value!r} has no zone"] if isinstance(found, datetime) and not found.tzinfo else []


def test_the_examples_on_the_page_are_what_is_declared() -> None:
    files = {file.stem for file in EXAMPLES.glob("*.json")}
    declared = {re.sub("[ -]+", "-", name): kind for name, kind in ANSWERS.items()}
    declared["failure"] = Failure
    assert files == declared.keys()
    for name, kind in declared.items():
        value = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"), parse_constant=not_json)
        # they are shortened, so keys may be missing
        problems = grave(conforming(value, kind, "", set()))
        assert not problems, (name, problems)
