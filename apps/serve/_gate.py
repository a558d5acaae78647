"""Who calls: the token's grant, and for whom, by whom, from where, within that grant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storescope import CallContext
from storescope.apps._loopback import host_of
from storescope.apps.serve._refusal import Refusal
from storescope.apps.serve._tokens import EVERYTHING, SCRAPE, Grant
from storescope.backends._wire import ACTOR, ATTEMPT, CALL_ID, REGION, TENANT, from_header

if TYPE_CHECKING:
    from storescope.apps.serve._request import Headers, Request
    from storescope.apps.serve._tokens import TokenFile

_LONGEST_CALL_ID = 64
_MOST_ATTEMPTS = 1_000_000
_CHALLENGE = {"www-authenticate": 'Bearer realm="storescope"'}


class Caller(NamedTuple):
    """Who makes a request.

    Attributes:
        grant: What the token allows.
        context: For whom, by whom, from where.
    """

    grant: Grant
    context: CallContext

    def require(self, operation: str) -> None:
        """Hold an operation to the grant.

        Raises:
            Refusal: If it is not granted.
        """
        if operation not in self.grant.operations:
            raise Refusal("not-granted", f"this token or certificate does not allow {operation}")


class Gate:
    """Lets callers in."""

    def __init__(self, tokens: TokenFile | None, hosts: frozenset[str]) -> None:
        self._tokens = tokens
        self._hosts = hosts

    def admit(self, request: Request) -> Caller:
        """Return who calls.

        Raises:
            Refusal: If the token is not known, or a header says what it does not allow.
        """
        grant, headers = self._grant(request), request.headers
        call_id = headers.get(CALL_ID)
        if call_id is not None and not (0 < len(call_id) <= _LONGEST_CALL_ID and call_id.isalnum()):
            raise Refusal("malformed", f"{CALL_ID} must be {_LONGEST_CALL_ID} letters and digits at most")
        return Caller(
            grant,
            CallContext(
                tenant=_granted(headers, TENANT, grant.tenants),
                actor=_text(headers, ACTOR) or grant.name or None,
                region=_granted(headers, REGION, grant.regions),
                call_id=call_id,
                attempt=_attempt(headers),
                traceparent=headers.get("traceparent"),
                tracestate=headers.get("tracestate"),
            ),
        )

    def admit_scrape(self, request: Request) -> None:
        """Let somebody read the metrics.

        Raises:
            Refusal: If the token does not allow it.
        """
        if SCRAPE not in self._grant(request).operations:
            raise Refusal("not-granted", "this token or certificate does not allow metrics")

    def _grant(self, request: Request) -> Grant:
        headers = request.headers
        if self._tokens is None:
            if self._hosts and host_of(f"//{headers.get('host', '')}") not in self._hosts:
                raise Refusal(
                    "not-granted", "without tokens, the bridge answers to the names of the loopback only"
                )
            return EVERYTHING
        grant = _known(self._tokens, request)
        if grant is None:
            raise Refusal("unauthenticated", "give a token: Authorization: Bearer TOKEN", _CHALLENGE)
        return grant


def _known(tokens: TokenFile, request: Request) -> Grant | None:
    """Return what the request's token allows, or, if it brings none at all, its client certificate."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return tokens.find_certificate(request.certificate)
    scheme, _, token = authorization.partition(" ")
    return tokens.find(token.strip()) if scheme.lower() == "bearer" else None


def _granted(headers: Headers, name: str, allowed: frozenset[str] | None) -> str | None:
    """Return what a header says, within the grant; if it is left out, the only thing that could be said."""
    value = _text(headers, name)
    if allowed is None or value in allowed:
        return value
    if value is None and len(allowed) == 1:
        return next(iter(allowed))
    said = "does not allow what it says" if value else "needs it, as it allows several or none"
    raise Refusal("not-granted", f"{name}: this token or certificate {said}")


def _text(headers: Headers, name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        text = from_header(value)
    except ValueError:
        text = ""
    if not text or not value.isascii():
        raise Refusal("malformed", f"{name} must be percent-encoded UTF-8, and not empty")
    return text


def _attempt(headers: Headers) -> int:
    text = headers.get(ATTEMPT, "1")
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= _MOST_ATTEMPTS):  # noqa: PLR2004 (no longer than the limit)
        raise Refusal("malformed", f"{ATTEMPT} must be a number from 1 on")
    return int(text)
