"""A request as endpoints get it: its head read once, and refused where two readers could understand two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from storescope.apps.serve._refusal import Refusal
from storescope.backends._wire import ACTOR, ATTEMPT, CALL_ID, REGION, TENANT

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

CERTIFICATE = "storescope.client_certificate"
"""Where a connection's state has the SHA-256 of the client's certificate, in hex."""

WHOLE = "storescope.whole"
"""Where a request's state says that its body came with its head."""

Headers: TypeAlias = dict[str, str]
_ONCE = frozenset(
    {
        "authorization",
        "content-type",
        "content-length",
        "host",
        "traceparent",
        TENANT,
        ACTOR,
        REGION,
        CALL_ID,
        ATTEMPT,
    }
)
_CLOSE = {"connection": "close"}  # what comes after an ambiguous head may be somebody else's


class Request(NamedTuple):
    """What an endpoint is given.

    Attributes:
        headers: By lower-case name.
        scheme: `http` or `https`.
        certificate: The SHA-256 of the client's certificate, in hex; None if it showed none.
        whole: Whether its body is known to be here, so that nobody has to wait for it.
        receive: Where its body comes from.
    """

    headers: Headers
    scheme: str
    certificate: str | None
    whole: bool
    receive: Receive


def read_head(scope: Scope, receive: Receive) -> Request:
    """Read a request's head.

    Raises:
        Refusal: If a header on which a decision rests is given twice: whoever stands in front may have read the
            other. If it has both a length and a transfer coding, so that two parsers could see the end of its body
            in two places (RFC 9112, 6.1).
    """
    found: Headers = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        if name not in found:
            found[name] = text
        elif name in _ONCE:
            raise Refusal("malformed", f"the header {name} is given twice", _CLOSE)
        else:
            found[name] += f",{text}"
    if "transfer-encoding" in found and "content-length" in found:
        raise Refusal("malformed", "a body has a length or a transfer coding, not both", _CLOSE)
    state = scope.get("state", {})
    return Request(found, scope["scheme"], state.get(CERTIFICATE), WHOLE in state, receive)
