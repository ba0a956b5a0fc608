"""Strict YAML: every mistake is named with its place, and no secret is ever shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal, Self

import pytest
from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration, Document, overlay
from potable.errors import PotableError, ProjectError, ProjectErrors
from potable.projectfiles import read

SECRET = "hunter2-swordfish"


class Inner(Declaration):
    gross: int = 0
    label: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.gross < 0:
            raise ValueError("nobody pays to work")
        return self


class Model(Declaration):
    name: str
    size: int = 1
    inner: Inner = Inner()
    items: list[Inner] = Field(default_factory=list)
    table: dict[str, Inner] = Field(default_factory=dict)
    either: str | list[str] = ""
    forms: Literal["all"] | Inner | list[Inner] = "all"
    day: date | None = None
    ends: tuple[date, date] | None = None

    @field_validator("name")
    @classmethod
    def _quoting(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"`{value}` is not a good name")
        return value


def document(tmp_path: Path, text: str | bytes, **environment: str) -> Document:
    path = tmp_path / "potable.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, root=tmp_path, environment=environment)


def errors(tmp_path: Path, text: str | bytes, **environment: str) -> list[PotableError]:
    with pytest.raises(ProjectError) as caught:
        document(tmp_path, text, **environment).model(Model)
    return list(caught.value.errors) if isinstance(caught.value, ProjectErrors) else [caught.value]


def only(tmp_path: Path, text: str | bytes, **environment: str) -> PotableError:
    (error,) = errors(tmp_path, text, **environment)
    return error


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"potable\.yaml` does not exist") as caught:
        read(tmp_path / "potable.yaml", root=tmp_path)
    assert caught.value.code == "P001" and caught.value.next == "potable init --example churn EXAMPLE"
    with pytest.raises(ProjectError) as caught:
        read(tmp_path / "envs" / "prod.yaml", root=tmp_path)
    # no example has that
    assert (caught.value.hint, caught.value.next) == ("", "")


def test_a_reference_that_needs_quotes_is_told_so(tmp_path: Path) -> None:
    error = only(tmp_path, "name: a\nauth: {bearer: ${env:TOKEN}}\n")
    assert (error.code, str(error.place)) == ("P002", "potable.yaml:2:17")
    assert error.hint == 'inside {…} a reference must be in quotes: "${env:NAME}"'
    assert only(tmp_path, "name: {a\n").hint == "what begins in line 1, column 7, may not be closed, or not be indented"


def test_a_tab_is_told(tmp_path: Path) -> None:
    assert only(tmp_path, "name: a\ninner:\n\tgross: 1\n").hint == "YAML is indented by blanks, not by tabs"


def test_a_duplicate_key_names_both_places(tmp_path: Path) -> None:
    error = only(tmp_path, "name: a\ninner:\n  gross: 1\n  gross: 2\n")
    assert (error.code, str(error.place)) == ("P002", "potable.yaml:4:3")
    assert "potable.yaml:3:3" in error.hint


def test_an_unknown_key_has_place_suggestion_and_allowed_names(tmp_path: Path) -> None:
    error = only(tmp_path, "name: a\nitems:\n  - gross: 1\n  - gros: 2\n")
    assert (error.code, str(error.place)) == ("P003", "potable.yaml:4:5")
    assert error.hint == "did you mean `gross`?"
    assert error.allowed == "gross, label"


def test_a_merge_key_says_what_to_write_instead(tmp_path: Path) -> None:
    error = only(tmp_path, "name: a\ntable: {x: &one {label: q}, y: {<<: *one}}")
    assert (error.code, error.problem) == ("P003", "unknown key `<<`")
    assert error.hint == "YAML 1.2 merges no mappings; share the value of one key: `columns: &one {…}`, `columns: *one`"


def test_unknown_keys_inside_mappings_are_suggested_too(tmp_path: Path) -> None:
    assert only(tmp_path, "name: a\ntable: {x: {labl: q}}").hint == "did you mean `label`?"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("3", "`forms`: Input should be 'all' or a mapping or a valid list"),
        ("{gross: x}", "`forms.gross`: Input should be a valid integer"),
        ("{gross: -1}", "`forms`: nobody pays to work"),
        ("{gros: 1}", "unknown key `gros`"),
        ("[{gross: 1}, {gross: x}]", "`forms.1.gross`: Input should be a valid integer"),
    ],
)
def test_of_a_value_of_several_forms_the_nearest_is_told_once(tmp_path: Path, given: str, told: str) -> None:
    assert only(tmp_path, f"name: a\nforms: {given}").problem.startswith(told)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2021-01-01", "`ends`: Input should be a list of 2 values: `[…, …]`"),
        ("[2021-01-01]", "`ends`: Input should be a list of 2 values: `[…, …]`"),
        ("[2021-01-01, 2021-01-02, 2021-01-03]", "`ends`: Input should be a list of 2 values: `[…, …]`"),
        ("[2021-01-01, x]", "`ends.1`: Input should be a valid date"),
    ],
)
def test_a_pair_is_asked_for_as_it_is_written(tmp_path: Path, given: str, told: str) -> None:
    error = only(tmp_path, f"name: a\nends: {given}")
    assert (error.code, error.problem.startswith(told), error.place and error.place.line) == ("P005", True, 2)


def test_all_mistakes_come_at_once_in_reading_order(tmp_path: Path) -> None:
    found = errors(tmp_path, "size: many\ninner: {gross: x}\nbogus: 1\n")
    assert [(error.code, error.place and error.place.line) for error in found] == [
        ("P004", 1),
        ("P005", 1),
        ("P005", 2),
        ("P003", 3),
    ]


def test_a_wrong_type_shows_what_was_given(tmp_path: Path) -> None:
    error = only(tmp_path, "name: a\nsize: many")
    assert (error.code, error.given, str(error.place)) == ("P005", '"many"', "potable.yaml:2:7")


def test_words_of_old_yaml_stay_words_and_dates_are_dates(tmp_path: Path) -> None:
    made = document(tmp_path, "name: no\neither: [on, off, yes, 'NO']\nday: 2012-01-31").model(Model)
    assert (made.name, made.either, made.day) == ("no", ["on", "off", "yes", "NO"], date(2012, 1, 31))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n"])
def test_an_empty_file_only_lacks_what_is_required(tmp_path: Path, text: str) -> None:
    assert only(tmp_path, text).problem == "`name` is missing"


@pytest.mark.parametrize(
    "text",
    [
        b"name: caf\xe9",
        b"name: [a",
        b"name: a\x00b",
        b"name: a\n\tsize: 1",
        b"a: 1\n---\nb: 2",
        b"name: *nobody",
        b"name: !!python/object:os.system {}",
        b"name: !!int x",
        b"? [a, b]\n: 1",
        b"name: &n [*n]",
        b"name: " + b"[" * 5000,
        b"day: 2012-02-31",
        "name: a".encode("utf-16"),
    ],
)
def test_what_is_not_yaml_is_one_error_not_a_crash(tmp_path: Path, text: bytes) -> None:
    assert only(tmp_path, text).code == "P002"


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert only(tmp_path, "\n".join(lines)).code == "P002"


def test_a_list_is_not_a_project_file(tmp_path: Path) -> None:
    assert only(tmp_path, "- a\n- b").code == "P002"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert document(tmp_path, b"\xef\xbb\xbfname: a").model(Model).name == "a"


def test_references_are_resolved_inside_texts(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n")
    made = document(tmp_path, "name: ${env:DIR}/x\nsize: ${env:N}\neither: ${file:secret}", DIR="/d", N="7")
    assert made.model(Model) == Model(name="/d/x", size=7, either="from file")
    assert made.literal["name"] == "${env:DIR}/x"


def test_a_resolved_value_is_not_resolved_again(tmp_path: Path) -> None:
    assert document(tmp_path, "name: ${env:A}", A="${env:B}", B="x").data["name"] == "${env:B}"


@pytest.mark.parametrize("reference", ["${env:NOPE}", "${file:nope}", "${file:.}", "${file:latin}"])
def test_what_cannot_be_resolved_is_told_with_its_place(tmp_path: Path, reference: str) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    error = only(tmp_path, f"name: a\ninner: {{label: '{reference}'}}")
    assert (error.code, str(error.place)) == ("P006", "potable.yaml:2:16")
    assert ("readable for this user" in error.hint) == reference.startswith("${file") != (".env" in error.hint)


def test_an_unknown_scheme_names_what_is_installed(tmp_path: Path) -> None:
    error = only(tmp_path, "name: ${klingon:x}")
    assert error.code == "P005"
    assert str(error.place) == "potable.yaml:1:7"


@pytest.mark.parametrize("text", ["${NAME}", "${env:}", "${env:NAME"])
def test_half_a_reference_is_not_taken_for_a_text(tmp_path: Path, text: str) -> None:
    assert "not a complete reference" in only(tmp_path, f"name: '{text}'").problem


@pytest.mark.parametrize(
    "text",
    [
        f"auth: {{bearer: {SECRET}}}",
        f"password: {SECRET}",
        "password: 12345678",
        f"password: '{SECRET}${{env:EMPTY}}'",
        f"clientSecret: {SECRET}",
        f"secret_access_key: {SECRET}",
        f"tokens: [{SECRET}]",
        f"url: postgresql://potable:{SECRET}@db/hr",
        f"url: postgresql://db/hr?sslmode=require&password={SECRET}",
        f"url: host=db password={SECRET}",
        f"note: ghp_{'a1' * 20}{SECRET}",
    ],
)
def test_a_literal_credential_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    error = only(tmp_path, text, EMPTY="")
    assert error.code == "P007"
    assert SECRET not in error.text() + repr(error.record())


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"auth: {{password: {SECRET}}}", "replace it by a reference: ${env:NAME}"),
        # a reference there is refused too: the section is written into the DAG file
        (f"airflow: {{pod: {{env_vars: {{DB_PASSWORD: {SECRET}}}}}}}", "take it out: tasks have secrets from Airflow"),
    ],
)
def test_where_to_put_a_credential_instead_is_told(tmp_path: Path, text: str, hint: str) -> None:
    assert only(tmp_path, text).hint.startswith(hint)


@pytest.mark.parametrize(
    "text",
    [
        "auth: {bearer: '${env:S}'}",
        "url: postgresql://potable:${env:S}@db/hr",
        "url: http://127.0.0.1:8080/api",
        "bucket: s3://bucket/prefix",
        "password: ${file:secret}",
        "columns: {token: {type: string}}",
        "password:",
    ],
)
def test_references_and_harmless_texts_are_not_taken_for_credentials(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    document(tmp_path, text, S=SECRET)


@pytest.mark.parametrize("text", ["name: a\nsize: ${env:S}", "name: bad${env:S}", "name: ${env:S}\nday: '${env:S}'"])
def test_no_message_shows_a_value_that_came_from_a_reference(tmp_path: Path, text: str) -> None:
    found = errors(tmp_path, text, S=SECRET)
    for error in found:
        assert SECRET not in error.text() + repr(error.record())
    assert any("${env:S}" in error.text() for error in found)


def test_the_document_does_not_show_its_secrets(tmp_path: Path) -> None:
    assert SECRET not in repr(document(tmp_path, "name: ${env:S}", S=SECRET))


def test_an_overlay_lies_over_mapping_by_mapping_and_keeps_its_places(tmp_path: Path) -> None:
    base = document(tmp_path, "name: a\nsize: 1\ninner: {gross: 1, label: x}")
    top_path = tmp_path / "prod.yaml"
    top_path.write_text("size: many\ninner: {gross: 2}")
    both = overlay(base, read(top_path, root=tmp_path, environment={}))
    assert both.data["inner"] == {"gross": 2, "label": "x"}
    with pytest.raises(ProjectError) as caught:
        both.model(Model)
    assert str(caught.value.place) == "prod.yaml:1:7"


def test_an_empty_overlay_changes_nothing(tmp_path: Path) -> None:
    base = document(tmp_path, "name: a")
    (tmp_path / "top.yaml").write_text("")
    assert overlay(base, read(tmp_path / "top.yaml", root=tmp_path, environment={})).model(Model).name == "a"
