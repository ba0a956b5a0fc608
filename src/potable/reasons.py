"""Why an object store did not do what was asked, in plain words; `store` asks it, and so do engines.

Of what a server says only its code and a region are told, of where it is its host: the rest may hold signatures.

Entry: `why`; `of_store` tells whether a failure is one of a store, `lasting` for what asking again does not change.
"""

from __future__ import annotations

import re

_OF_DISKS = {
    **dict.fromkeys((1, 13), "permission denied"),
    5: "the disk fails (input/output error)",
    24: "too many files are open",
    27: "the file would be too large",
    28: "no space left on the device",
    30: "the file system is read-only",
    122: "the disk quota is used up",
}
"""Errors of Linux by their numbers."""
_DENIED, _UNKNOWN = "lacked the necessary privileges", "lacked valid authentication"
"""How obstore begins to tell that a right is missing, and that keys are none."""
_NUMBER = re.compile(r"os error (\d+)\b")
_CODE = re.compile("<Code>([A-Za-z.]{1,60})</Code>")
_REGION = re.compile("<Region>([a-z0-9-]{1,40})</Region>")
_STATUS = re.compile(r"status code: (\d{3})")
_HOST = re.compile(r"https?://(?:[^/@\s]*@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?(?=[/\s,)]|$)")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
_ELSEWHERE = (
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
_GIVE_KEYS = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "fd00:ec2::254")
"""Where machines in a cloud are asked for credentials, where nothing else gives any."""
_NO_ANSWER = {
    "dns error": "nobody knows its name",
    "ConnectionRefused": "connection refused",
    "ConnectionReset": "the connection breaks",
    "InvalidContentType": "it does not speak TLS: is it `http://`?",
    "InvalidCertificate": "its certificate is not trusted",
    "UnknownIssuer": "its certificate is not trusted",
    "TimedOut": "time is over",
    "NetworkUnreachable": "the network is not there",
    "HostUnreachable": "no way leads there",
}
"""What the library says where it gets no answer."""


def why(failure: Exception, *, place: bool = True) -> str:
    """What is wrong.

    Args:
        failure: what obstore or the system raised.
        place: whether the host may be told.
    """
    text = str(failure)
    host = _HOST.search(text) if place else None
    who = f"`{host[1]}{host[2] or ''}`" if host else "the store"
    number = getattr(failure, "errno", None) or next(map(int, _NUMBER.findall(text)), None)
    if number in _OF_DISKS:
        return _OF_DISKS[number]
    if any(sign in text for sign in _GIVE_KEYS):
        return "there are no credentials: neither the environment nor this machine's role gives any"
    code, told = code_of(failure), _answered(failure, who)
    if told:
        return f"{told} ({code})" if code else told
    return _unanswered(text, who) or code or type(failure).__name__


def _answered(failure: Exception, who: str) -> str:
    """What a store answers, if it does."""
    text, code = str(failure), code_of(failure)
    status = _STATUS.search(text)
    if code in _EXPIRED:
        return "the credentials have expired"
    if _is(failure, "PermissionDeniedError", _DENIED) or (status and status[1] == "403"):
        return "permission denied"
    if _is(failure, "UnauthenticatedError", _UNKNOWN):
        return f"{who} refused the credentials"
    if code in _ELSEWHERE or "without LOCATION" in text:
        region = _REGION.search(text)
        return f"the bucket is in another region{f', {region[1]}' if region else ''}"
    return f"{who} answers with HTTP {status[1]}" if status else ""


def _unanswered(text: str, who: str) -> str:
    """Why there is no answer, if there is none."""
    if "BadScheme" in text:
        family = {"Generic MicrosoftAzure": "AZURE", "Generic GCS": "GOOGLE"}.get(text.partition(" error")[0], "AWS")
        return f"{who} would be reached without TLS, which has to be allowed: `{family}_ALLOW_HTTP=true`"
    if "error sending request" not in text:
        return ""
    cause = next((words for sign, words in _NO_ANSWER.items() if sign in text), "")
    return f"no answer from {who}{f' ({cause})' if cause else ''}"


def of_store(failure: Exception) -> bool:
    """Whether it is what a store answered, or that it did not, also if an engine says it; but for what is absent."""
    text = str(failure)
    return "Error performing " in text and _HOST.search(text) is not None and "status code: 404" not in text


def answered(failure: Exception) -> bool:
    """Whether a store answered, whatever it said."""
    return _STATUS.search(str(failure)) is not None


def _is(failure: Exception, name: str, text: str) -> bool:
    return type(failure).__name__ == name or text in str(failure)


def code_of(failure: Exception) -> str:
    """What the store calls it; empty where it does not say."""
    found = _CODE.search(str(failure))
    return found[1] if found else ""


def lasting(failure: Exception) -> bool:
    """Whether it stays as it is when the same is asked again: keys, rights, a region, a setting."""
    text, code, status = str(failure), code_of(failure), _STATUS.search(str(failure))
    if _is(failure, "PermissionDeniedError", _DENIED) or _is(failure, "UnauthenticatedError", _UNKNOWN):
        return True
    if "without LOCATION" in text:
        return True
    if code in (*_EXPIRED, *_ELSEWHERE) or "BadScheme" in text or any(sign in text for sign in _GIVE_KEYS):
        return True
    return status is not None and status[1].startswith("4") and status[1] not in ("408", "409", "412", "429")
