"""Secrets of a Vault: the one that is meant, or an error that names no secret and says whether to try again."""

from __future__ import annotations

import io
import json
from email.message import Message
from pathlib import Path
from urllib.request import Request

import pytest
from tests.sources.web import RESET, Answer, Server

from potable.errors import EnvironmentFailure, PotableError, ProjectError
from potable.projectfiles import read
from potable.secrets import vault

TOKEN, SECRET = "hvs.t0ken-canary", "s3cret-canary"


@pytest.fixture
def kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that speaks Vault's KV, version 2, of one secret."""
    monkeypatch.setenv("VAULT_ADDR", f"{server.url}/")
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    monkeypatch.delenv("VAULT_NAMESPACE", raising=False)

    def answer(path: str, query: object) -> Answer:
        if server.heard[-1].get("X-Vault-Token") != TOKEN:
            return 403, {}, b'{"errors": ["permission denied"]}'
        if path != "/v1/kv/data/hr/pay%20roll":
            return 404, {}, b'{"errors": []}'
        data = {"data": {"password": SECRET, "port": 5432}, "metadata": {"version": 3}}
        return 200, {}, json.dumps({"lease_id": "", "data": data}).encode()

    server.handle = answer
    return server


@pytest.mark.parametrize("reference", ["kv/hr/pay roll#password", "/kv/data/hr/pay roll#password"])
def test_a_reference_names_mount_path_and_key(kept: Server, reference: str) -> None:
    assert vault.secret(reference) == SECRET
    assert vault.secret("kv/hr/pay roll#port") == "5432"


def test_a_project_file_gets_it_and_no_message_shows_it(kept: Server, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("password: '${vault:kv/hr/pay roll#password}'\n")
    made = read(tmp_path / "f.yaml")
    assert made.data["password"] == SECRET and SECRET not in repr(made)


def test_the_token_may_lie_where_signing_in_leaves_it(
    kept: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ProjectError, match="no token"):
        vault.secret("kv/hr/pay roll#password")
    (tmp_path / ".vault-token").write_text(f"{TOKEN}\n")
    assert vault.secret("kv/hr/pay roll#password") == SECRET


def test_a_namespace_is_told(kept: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "people/")
    vault.secret("kv/hr/pay roll#password")
    assert kept.heard[-1]["X-Vault-Namespace"] == "people/"


@pytest.mark.parametrize(
    "reference", ["kv#password", "kv/hr", "kv/hr#", "kv/hr/nothing#password", "kv/hr/pay roll#none"]
)
def test_what_is_not_there_is_a_wrong_reference(kept: Server, reference: str) -> None:
    with pytest.raises(ProjectError) as caught:
        vault.secret(reference)
    assert (caught.value.code, reference in caught.value.problem) == ("P006", True)


@pytest.mark.parametrize("address", ["", "vault.corp:8200"])
def test_without_an_address_nobody_is_asked(kept: Server, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    with pytest.raises(ProjectError, match="VAULT_ADDR"):
        vault.secret("kv/hr/pay roll#password")
    assert not kept.requests


@pytest.mark.parametrize(
    ("answer", "passing"),
    [
        ((403, {}, b'{"errors": ["permission denied"]}'), False),
        ((400, {}, b"{}"), False),
        ((429, {}, b"{}"), True),
        ((503, {}, b'{"errors": ["Vault is sealed"]}'), True),
        (RESET, True),
        ((200, {}, b"<html>"), True),
        ((200, {"Content-Length": "900"}, b'{"data": '), True),
    ],
)
def test_a_vault_that_refuses_or_is_away_is_told(kept: Server, answer: Answer, passing: bool) -> None:
    kept.handle, kept.answers = None, [answer]
    with pytest.raises(EnvironmentFailure) as caught:
        vault.secret("kv/hr/pay roll#password")
    assert (caught.value.code, caught.value.retryable) == ("E003", passing)
    assert TOKEN not in caught.value.text() and "`kv/hr/pay roll`" in caught.value.problem


def test_a_vault_that_is_away_is_no_fault_of_the_project(
    kept: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    (tmp_path / "f.yaml").write_text("a: ${vault:kv/a#b}\nb: ${vault:kv/b#b}\n")
    with pytest.raises(PotableError) as caught:
        read(tmp_path / "f.yaml", root=tmp_path)
    assert (caught.value.exit_code, caught.value.code, str(caught.value.place)) == (3, "E003", "f.yaml:1:4")
    # what is wrong all the same is told with it
    (tmp_path / "f.yaml").write_text("a: ${vault:kv/a#b}\nb: ${env:NOT_SET_ANYWHERE}\n")
    with pytest.raises(PotableError) as caught:
        read(tmp_path / "f.yaml", root=tmp_path)
    assert caught.value.exit_code == 2 and "error[E003]" in caught.value.text() and "error[P006]" in caught.value.text()


def test_a_standby_sends_to_the_active_one(kept: Server) -> None:
    active = kept.handle

    def standby(path: str, query: dict[str, list[str]]) -> Answer:
        there = path.replace("/v1/", "/active/")
        return active(path.replace("/active/", "/v1/"), query) if path == there else (307, {"Location": there}, b"")

    kept.handle = standby
    assert vault.secret("kv/hr/pay roll#password") == SECRET


@pytest.mark.parametrize(
    ("onto", "followed"), [("https://b.example/v1", True), ("http://a.example/v1", False), ("ftp://a/x", False)]
)
def test_a_token_is_sent_nowhere_in_clear_that_was_to_be_sent_in_secret(onto: str, followed: bool) -> None:
    asked = Request("https://a.example/v1/kv/data/x", headers={"X-Vault-Token": TOKEN})
    found = vault._Onwards().redirect_request(asked, io.BytesIO(), 307, "", Message(), onto)
    assert (found is not None) == followed
