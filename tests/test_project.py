"""A project whose teams have not all written their files: what is there is checked, what is not is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from potable.errors import ProjectError, ProjectErrors
from potable.project import Project, load

EXAMPLE = Path(__file__).parents[1] / "examples" / "churn"
LATER = ("privacy.yaml", "features.yaml")


def written(root: Path, *later: str) -> Path:
    """The small example with the sources and, of what other teams write, these files."""
    shutil.copytree(EXAMPLE, root)
    for file in {*LATER} - {*later}:
        (root / file).unlink()
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def refused(root: Path) -> str:
    """What loading says is wrong."""
    with pytest.raises(ProjectError) as caught:
        load(root)
    return caught.value.text()


def unwritten(project: Project) -> list[str]:
    return [file.file for file in project.unwritten]


@pytest.mark.parametrize("later", [(), ("privacy.yaml",), ("features.yaml",), LATER], ids="+".join)
def test_a_project_is_loaded_as_far_as_it_is_written(tmp_path: Path, later: tuple[str, ...]) -> None:
    project = load(written(tmp_path / "p", *later))
    assert unwritten(project) == [file for file in LATER if file not in later]
    assert [*project.tables] == [*load(EXAMPLE).tables] and len(project.checks) == 4
    parts = {"policy": "privacy.yaml" in later, "features": "features.yaml" in later, "plan": "features.yaml" in later}
    for part, there in {**parts, "proof": later == LATER}.items():
        if there:
            assert getattr(project, part)
        else:
            with pytest.raises(ProjectError, match="not written yet"):
                getattr(project, part)


def test_what_needs_a_file_names_it_its_team_and_what_works(tmp_path: Path) -> None:
    project = load(written(tmp_path / "p", "features.yaml"))
    with pytest.raises(ProjectError) as caught:
        project.require_written("`publish`")
    failure = caught.value
    assert failure.code == "P001" and failure.exit_code == 2
    assert failure.problem == "privacy.yaml is not written yet, and `publish` needs it"
    assert failure.hint.startswith("infosec writes privacy.yaml: what may happen to each category of data")
    assert failure.next == project.next_run == "potable run --only ingest"
    whole = load(EXAMPLE)
    whole.require_written("`publish`")
    assert whole.next_run == "potable run"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("first_name:   {type: string, category: user.name.first}", "first_name:   {type: string}", "P010"),
        ("user.name.first", "user.name.frist", "P011"),
        ("key: email, category: user.contact.email", "key: email, category: user.behavior", "P012"),
        ("path: data\n", "paht: data\n", "P003"),
    ],
)
def test_without_a_policy_a_column_needs_a_category_all_the_same(tmp_path: Path, old: str, new: str, code: str) -> None:
    root = written(tmp_path / "p")
    edit(root / "sources" / "crm.yaml", old, new)
    assert f"error[{code}]" in refused(root)


def test_with_a_policy_alone_a_category_without_a_rule_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path / "p", "privacy.yaml")
    edit(root / "sources" / "crm.yaml", "user.name.first", "user.financial.salary")
    assert "privacy.yaml has no rule for `user.financial.salary`" in refused(root)
    (root / "privacy.yaml").unlink()
    assert unwritten(load(root)) == [*LATER]


def test_features_alone_are_checked_by_the_tables_and_by_the_policy_once_there_is_one(tmp_path: Path) -> None:
    root = written(tmp_path / "p", "features.yaml")
    edit(root / "features.yaml", "latest(plan)", "latest(plon)")
    assert "features.yaml:20:11: `plan`" in refused(root)
    edit(root / "features.yaml", "latest(plon)", "latest(plan)")
    edit(root / "sources" / "crm.yaml", "user.name.first}", "user.name.first, static: true}")
    edit(root / "features.yaml", "country: value(country)", "country: value(first_name)")
    assert load(root).plan.features
    shutil.copy(EXAMPLE / "privacy.yaml", root)
    assert "privacy.yaml does not keep `first_name` (`user.name.first`)" in refused(root)


def test_anonymity_is_asked_over_columns_the_dataset_has(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    assert "anonymity: {columns: [age, country]" in (root / "privacy.yaml").read_text(encoding="utf-8")
    edit(root / "privacy.yaml", "columns: [age, country]", "columns: [as_of, agee, churn]")
    text = refused(root)
    assert text.count("error[P040] privacy.yaml:") == 2 and "hint:    did you mean `age`?" in text
    assert "`anonymity` names `churn`, which is not a feature of `customer_churn`" in text


def test_an_operator_that_protects_nothing_takes_no_category_off(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    text = (root / "privacy.yaml").read_text(encoding="utf-8")
    (root / "privacy.yaml").write_text(text.replace("publish: allow", "publish: [words]", 1), encoding="utf-8")
    said = refused(root)
    assert "`words` is not an operator that takes off a category" in said
    assert "allowed: band, clip, generalise, round, year\n" in said


def test_one_column_twice_is_no_combination(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "privacy.yaml", "columns: [age, country]", "columns: [age, age]")
    assert "error[P005] privacy.yaml:" in refused(root) and "`age` is listed twice" in refused(root)


@pytest.mark.parametrize("name", ["../evil", "a/../../b", "..", ".hidden", "a\\\\b", " ", "a\\nb"])
def test_no_name_leads_out_of_the_lake(tmp_path: Path, name: str) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "features.yaml", "dataset: customer_churn", f'dataset: "{name}"')
    source = next((root / "sources").glob("*.yaml"))
    text = source.read_text(encoding="utf-8")
    table = text.partition("tables:\n  ")[2].partition(":")[0]
    edit(source, f"tables:\n  {table}:", f'tables:\n  "{name}":')
    said = refused(root)
    assert said.count("it needs a name without `/`") == 2 and f"error[P005] sources/{source.name}" in said


def test_a_file_that_is_there_and_wrong_is_wrong_whoever_else_has_written(tmp_path: Path) -> None:
    root = written(tmp_path / "p", "features.yaml")
    edit(root / "features.yaml", "subject:", "subjct:")
    assert "error[P003]" in refused(root)
    (root / "features.yaml").unlink()
    (root / "features.yaml").symlink_to(root / "nowhere.yaml")
    assert "error[P001] features.yaml" in refused(root)


def test_a_folder_without_sources_says_what_to_write(tmp_path: Path) -> None:
    root = written(tmp_path / "p")
    shutil.rmtree(root / "sources")
    text = refused(root)
    assert "the project has no source yet" in text and "write sources/NAME.yaml" in text


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ("lake: {restricted: lake, open: lake}", ["lake.restricted"]),
        ("lake: {restricted: data/inside, open: ./data}", ["lake.restricted"]),
        ("vault: file://HERE/lake/open/vault", ["vault"]),
        ("lake: {restricted: s3://one/a/b, open: s3://one/a/}\nvault: s3://one/a/", ["lake.restricted", "vault"]),
        ("lake: {restricted: linked, open: lake/open}", ["lake.restricted"]),
        ("lake: {restricted: lake, open: lake/open}\nvault: lake/opened", []),
        ("lake: {restricted: s3://one/ab, open: s3://one/a}", []),
    ],
)
def test_personal_data_may_not_lie_in_the_open_root(tmp_path: Path, places: str, named: list[str]) -> None:
    root = written(tmp_path / "p", *LATER)
    (root / "lake" / "open").mkdir(parents=True)
    (root / "linked").symlink_to("lake/open")
    kept = ("lake:",) if "lake: {" in places else ()
    kept += ("vault:",) if "vault:" in places else ()
    lines = (root / "potable.yaml").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith(kept)] if kept else lines
    (root / "potable.yaml").write_text("\n".join([*lines, places.replace("HERE", str(root)), ""]), encoding="utf-8")
    if not named:
        assert load(root)
        return
    text = refused(root)
    assert text.count("error[P040] potable.yaml:") == len(named)
    assert all(f"`{name}` lies in `lake.open`" in text for name in named)


def test_no_error_shows_a_credential_or_what_a_reference_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "canary")
    root = written(tmp_path / "p", *LATER)
    edit(root / "potable.yaml", "vault: vault", "vault: lake/open/${env:PLACE}")
    with (root / "potable.yaml").open("a", encoding="utf-8") as file:
        file.write("observability: {pushgateway: {url: 'https://ops:canary@push:9091'}}\n")
    text = refused(root)
    assert "P007" in text and "credentials go under `auth`" in text and "canary" not in text
    edit(root / "potable.yaml", "'https://ops:canary@push:9091'", "'https://push:9091'")
    text = refused(root)
    assert "lies in `lake.open`" in text and "lake/open/${env:PLACE}" in text and "canary" not in text


def test_an_environment_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    with pytest.raises(ProjectError, match="or leave `--env` out") as caught:
        load(root, environment="prod")
    (root / "envs").mkdir()
    for name in ("prod", "test"):
        (root / "envs" / f"{name}.yaml").write_text("memory: 1GB\n")
    assert load(root, environment="prod")
    for name, told in {
        "": "`--env` is empty",
        "prd": "did you mean `prod`?",
        "../prod": "did you mean `prod`?",
        "prod.yaml": "`prod`",
    }.items():
        with pytest.raises(ProjectError) as caught:
            load(root, environment=name)
        text = caught.value.text()
        assert caught.value.code == "P001" and told in text and "prod, test" in text and "init" not in text


def test_who_called_from_the_wrong_folder_is_told_where_the_project_is(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    for folder in (tmp_path, root / "sources"):
        assert f"`{root}` is one" in refused(folder)
    (tmp_path / "q" / "r").mkdir(parents=True)
    assert "potable init DIRECTORY" in refused(tmp_path / "q" / "r")
    assert "it does not exist" in refused(tmp_path / "q" / "~")


@pytest.mark.parametrize(
    "place",
    ["", "s3:/bucket/people", "s3:bucket", "s3://", "s3://bucket//people", "file:lake", "$HOME/lake", "lake/$TEAM"],
)
def test_a_misspelled_place_does_not_become_a_folder_of_the_project(tmp_path: Path, place: str) -> None:
    root = written(tmp_path / "p", *LATER)
    lines = (root / "potable.yaml").read_text(encoding="utf-8").splitlines()
    lines = [f"vault: '{place}'" if line.startswith("vault:") else line for line in lines]
    (root / "potable.yaml").write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert "error[P040] potable.yaml:" in (text := refused(root)) and "`vault` " in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("engine: sprak", "potable.yaml:6:9: `sprak` is not one of the installed engines"),
        ("engine: sprak", "did you mean `spark`?"),
        ("threads: 0", "potable.yaml:6:10: `threads`: Input should be greater than or equal to 1"),
        ("threads: 100000", "`threads`: Input should be less than or equal to 1024"),
    ],
)
def test_a_run_that_could_not_start_is_refused_before(tmp_path: Path, line: str, told: str) -> None:
    root = written(tmp_path / "p", *LATER)
    with (root / "potable.yaml").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    assert told in refused(root)


def told(root: Path) -> list[tuple[str, str]]:
    """Code and file of all that is wrong, in the order it is told."""
    with pytest.raises(ProjectErrors) as caught:
        load(root)
    return [(error.code, error.place.file if error.place else "") for error in caught.value.errors]


def test_a_mistake_in_one_file_hides_none_in_another(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "potable.yaml", "memory: 1GB", "memmory: 1GB")
    edit(root / "privacy.yaml", "publish: [band]", "publish: [bands]")
    edit(root / "sources" / "desk.yaml", "known: ", "knwon: ")
    edit(root / "sources" / "crm.yaml", "category: user.name.first}", "category: user.name.frist}")
    edit(root / "features.yaml", "latest(plan)", "latst(plan)")
    edit(root / "features.yaml", "tickets_6mo / 6", "tickets_6m / 6")
    # nothing is told of columns of the help desk, which cannot be read
    assert told(root) == [
        ("P031", "features.yaml"),
        ("P031", "features.yaml"),
        ("P003", "potable.yaml"),
        ("P012", "privacy.yaml"),
        ("P011", "sources/crm.yaml"),
        ("P003", "sources/desk.yaml"),
    ]


def test_what_is_wrong_in_the_policy_hides_nothing_of_the_features(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "privacy.yaml", "k: 5", "k: 0")
    edit(root / "features.yaml", "severity = 'high'", "severty = 'high'")
    assert told(root) == [("P031", "features.yaml"), ("P005", "privacy.yaml")]


@pytest.mark.parametrize("broken", ["crm", "desk"])
def test_what_a_broken_source_would_have_said_is_no_second_mistake(tmp_path: Path, broken: str) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "sources" / f"{broken}.yaml", "tables:\n", "tabels:\n")
    assert {file for _, file in told(root)} == {f"sources/{broken}.yaml"}


def test_a_variable_that_is_not_set_hides_nothing(tmp_path: Path) -> None:
    root = written(tmp_path / "p", *LATER)
    edit(root / "sources" / "crm.yaml", "path: data", "path: ${env:NOWHERE_AT_ALL}\npaht: x")
    edit(root / "potable.yaml", "memory: 1GB", "memory: ${env:NOT_SET_EITHER}\nmemory: 1GB\nthreads: none")
    assert told(root) == [
        ("P006", "potable.yaml"),
        ("P002", "potable.yaml"),
        ("P005", "potable.yaml"),
        ("P006", "sources/crm.yaml"),
        ("P003", "sources/crm.yaml"),
    ]
