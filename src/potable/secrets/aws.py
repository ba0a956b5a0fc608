"""`${aws:NAME}` or `${aws:NAME#KEY}`: a secret of AWS Secrets Manager, or a key of one that is a JSON object.

Region and credentials are those of the machine: `AWS_REGION`, `AWS_ACCESS_KEY_ID` …, a profile, or a role.

Entry: `secret`.
"""

from __future__ import annotations

import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from potable.errors import EnvironmentFailure, ProjectError
from potable.secrets import of_key, refused

_PATIENCE = 10
"""Seconds to wait for an answer."""
_ABSENT = ("ResourceNotFoundException", "InvalidParameterException", "ValidationException", "InvalidRequestException")
_PASSING = ("Throttling", "TooManyRequests", "InternalService", "ServiceUnavailable", "RequestTimeout")


def secret(reference: str) -> str:
    """The secret that `NAME` or `NAME#KEY` names.

    Raises:
        ProjectError: P006, there is no such secret or key.
        EnvironmentFailure: E003, the service cannot be reached or refuses.
    """
    name, _, key = reference.partition("#")
    config = Config(connect_timeout=_PATIENCE, read_timeout=_PATIENCE, retries={"mode": "standard"})
    region = os.environ.get("AWS_REGION") or None
    try:
        client = boto3.session.Session().client("secretsmanager", region_name=region, config=config)
        found = client.get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as failure:
        code = str(failure.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            raise _wrong(reference, "refers to a secret that does not exist") from None
        raise _refused(name, code, passing=code.startswith(_PASSING)) from None
    except (BotoCoreError, ValueError) as trouble:
        raise _refused(name, type(trouble).__name__, passing=True) from None
    return _value(reference, found, key) if key else str(found)


def _value(reference: str, found: str, key: str) -> str:
    try:
        values = json.loads(found)
    except ValueError:
        values = None
    value = of_key(values, key)
    if value is None:
        raise _wrong(reference, "refers to a key that the secret does not have")
    return value


def _wrong(reference: str, why: str) -> ProjectError:
    return ProjectError(
        f"`${{aws:{reference}}}` {why}", "P006", hint="`aws secretsmanager list-secrets` lists the secrets"
    )


def _refused(name: str, why: str, *, passing: bool) -> EnvironmentFailure:
    return refused(
        f"AWS Secrets Manager does not return `{name}`: {why}",
        "are the region and credentials of this machine right, and do they allow `secretsmanager:GetSecretValue`?",
        passing=passing,
    )
