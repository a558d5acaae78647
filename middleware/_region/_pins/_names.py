"""Ids and tenants that the registry can hold: its keys and pins are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.backends._names import check_name
from storescope.contract import IN_SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import Call
    from storescope.contract import Operation


def name_checker(operation: Operation) -> Callable[[Call], None]:
    """Return what refuses a call that the registry could not be asked about, before it is.

    It raises `InvalidRecordError` if an id, the session's id or the tenant is too long, or holds a NUL or a lone
    surrogate.
    """
    by_id = "id" in operation.params
    record = {"set": "value", "update": "updates"}.get(operation.verb) if operation.entity in IN_SESSION else None

    def check(call: Call) -> None:
        params = call.params
        if by_id:
            check_name(params["id"], "the id")
        else:
            check_name(params["session_id"], "the session id")
        if record is not None and "sessionId" in params[record]:
            check_name(params[record]["sessionId"], "sessionId")
        if call.context.tenant:
            check_name(call.context.tenant, "the tenant")

    return check
