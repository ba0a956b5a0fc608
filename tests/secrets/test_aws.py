"""Secrets of AWS: whole, or a key of one; against a server that speaks Secrets Manager's protocol."""

from __future__ import annotations

import json
import os

import pytest

from potable.errors import EnvironmentFailure, ProjectError

SECRET = "s3cret-canary"


@pytest.fixture
def stored(object_store: str) -> str:
    """The name of a secret, of a service that the environment names."""
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    name = f"hr/payroll-{os.urandom(4).hex()}"
    service = boto3.client("secretsmanager", region_name="us-east-1")
    service.create_secret(Name=name, SecretString=json.dumps({"password": SECRET, "port": 5432}))
    service.create_secret(Name=f"{name}-text", SecretString=SECRET)
    return name


def test_a_secret_is_had_whole_or_by_key(stored: str) -> None:
    from potable.secrets import aws

    assert aws.secret(f"{stored}-text") == SECRET
    assert (aws.secret(f"{stored}#password"), aws.secret(f"{stored}#port")) == (SECRET, "5432")
    assert json.loads(aws.secret(stored))["password"] == SECRET


@pytest.mark.parametrize("of", ["#nothing", "-text#password", "-nothing"])
def test_what_is_not_there_is_a_wrong_reference(stored: str, of: str) -> None:
    from potable.secrets import aws

    with pytest.raises(ProjectError) as caught:
        aws.secret(f"{stored}{of}")
    assert caught.value.code == "P006" and SECRET not in caught.value.text()


def test_a_service_that_is_away_is_told(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from potable.secrets import aws

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(EnvironmentFailure) as caught:
        aws.secret(stored)
    assert (caught.value.code, caught.value.retryable) == ("E003", True)


def test_without_credentials_it_is_told(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from potable.secrets import aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(EnvironmentFailure, match="NoCredentialsError"):
        aws.secret(stored)
