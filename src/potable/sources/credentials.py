"""How requests prove who asks: bearer token, name and password, API key, OAuth2 client credentials.

Only what is declared and what it adds to a request; asking for tokens is done by `http`. Secrets are held
as `SecretStr` and taken from references; none of them enters a message.

Entry: `Auth`, the closed choice a source declares.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote_plus

from pydantic import Discriminator, Field, SecretStr, Tag, field_validator, model_validator

from potable.declarations import Declaration


class Bearer(Declaration):
    """A token in the Authorization header."""

    bearer: SecretStr
    """The token; take it from a reference."""


class Login(Declaration):
    """A name and a password."""

    user: str
    """User name, without a colon."""
    password: SecretStr
    """Password, by reference."""

    @field_validator("user")
    @classmethod
    def _without_colon(cls, value: str) -> str:
        if ":" in value:
            raise ValueError("the user name may not contain a colon")
        return value


class Basic(Declaration):
    """HTTP basic authentication."""

    basic: Login
    """Name and password of the Authorization header."""


class ApiKey(Declaration):
    """A key in a header of its own, or in the query."""

    api_key: SecretStr
    """The key, by reference."""
    header: str | None = None
    """Header for the key; `X-API-Key` if `param` is not given either."""
    param: str | None = None
    """Query parameter for the key, instead of a header."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.header and self.param:
            raise ValueError("give either `header` or `param`")
        return self


class ClientCredentials(Declaration):
    """A client that asks a token endpoint for short-lived tokens."""

    token_url: str = Field(repr=False)
    """URL of the token endpoint, which may be another host."""
    client_id: str
    """Name of the client."""
    client_secret: SecretStr
    """Its secret, by reference."""
    scope: str = ""
    """Scopes asked for, separated by blanks."""
    params: dict[str, str] = Field(default_factory=dict, repr=False)
    """Further fields of the token request, such as `audience`."""
    client: Literal["header", "body"] = "header"
    """How name and secret are sent to the token endpoint: as HTTP basic authentication, or as fields of the request."""

    @property
    def form(self) -> dict[str, str]:
        """Fields of the token request."""
        fields = {"grant_type": "client_credentials", **({"scope": self.scope} if self.scope else {}), **self.params}
        if self.client == "body":
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret.get_secret_value()}
        return fields

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the token request."""
        if self.client == "body":
            return {}
        # RFC 6749, 2.3.1: both are encoded as in a form before they are joined
        return _basic(quote_plus(self.client_id), quote_plus(self.client_secret.get_secret_value()))


class OAuth2(Declaration):
    """OAuth2 with client credentials (RFC 6749, 4.4)."""

    oauth2: ClientCredentials
    """How tokens are requested; a token that expires is renewed, also in the middle of a table."""


def _kind(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    found = [tag for key, tag in _KINDS.items() if key in keys]
    return found[0] if len(found) == 1 else None


_KINDS = {"bearer": "Bearer", "basic": "Basic", "api_key": "ApiKey", "oauth2": "OAuth2"}

Auth = Annotated[
    Annotated[Bearer, Tag("Bearer")]
    | Annotated[Basic, Tag("Basic")]
    | Annotated[ApiKey, Tag("ApiKey")]
    | Annotated[OAuth2, Tag("OAuth2")],
    Discriminator(
        _kind,
        custom_error_type="auth",
        custom_error_message="give exactly one of `bearer`, `basic`, `api_key` and `oauth2`",
    ),
]


def headers(auth: Bearer | Basic | ApiKey | OAuth2 | None, token: str = "") -> dict[str, str]:
    """Headers that prove who asks.

    Args:
        auth: what is declared.
        token: the token in use, where tokens are asked for.

    Raises:
        ValueError: no header can carry it.
    """
    match auth:
        case Bearer():
            found = {"Authorization": f"Bearer {auth.bearer.get_secret_value()}"}
        case Basic():
            found = _basic(auth.basic.user, auth.basic.password.get_secret_value())
        case ApiKey(param=None):
            found = {auth.header or "X-API-Key": auth.api_key.get_secret_value()}
        case OAuth2():
            found = {"Authorization": f"Bearer {token}"}
        case _:
            found = {}
    if not all(text.isascii() and text.isprintable() for pair in found.items() for text in pair):
        raise ValueError("it contains characters that are not allowed in a header")
    return found


def query(auth: Bearer | Basic | ApiKey | OAuth2 | None) -> dict[str, str]:
    """Query parameters that prove who asks."""
    return {auth.param: auth.api_key.get_secret_value()} if isinstance(auth, ApiKey) and auth.param else {}


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
