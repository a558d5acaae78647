"""The contract's checks on arguments: once per call, cheap, whatever the handlers are.

A check fills in what the call says of its record and session, or sets `call.refusal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.contract import IN_SESSION, Operation
from storescope.errors import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import Call


def checker(operation: Operation) -> Callable[[Call], None]:
    """Return the check for calls of `operation`."""
    return _CHECKERS[operation.verb](operation)


def _refuse(call: Call, what: str) -> None:
    call.refusal = InvalidRecordError(f"{call.operation.name}: {what}")


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _check_get(operation: Operation) -> Callable[[Call], None]:
    is_session = operation.entity == "session"

    def check(call: Call) -> None:
        id_ = call.params["id"]
        if not isinstance(id_, str) or not id_:
            return _refuse(call, "id must be a non-empty string")
        call.record_id = id_
        if is_session:
            call.session_id = id_
        return None

    return check


def _check_record(operation: Operation, param: str, *, session_required: bool) -> Callable[[Call], None]:
    """Return a check for a call with an id and a dict, `value` or `updates`."""
    check_id = _check_get(operation)
    in_session = operation.entity in IN_SESSION

    def check(call: Call) -> None:
        check_id(call)
        if call.refusal is not None:
            return
        record = call.params[param]
        if not isinstance(record, dict):
            _refuse(call, f"{param} must be a dict")
        elif "id" in record and record["id"] != call.record_id:
            _refuse(call, f"{param}['id'] must equal id, or be left out")
        elif in_session and (session_required or "sessionId" in record):
            session_id = record.get("sessionId")
            if _is_id(session_id):
                call.session_id = session_id
            else:
                _refuse(call, f"{param}['sessionId'] must be a non-empty string")

    return check


def _check_set(operation: Operation) -> Callable[[Call], None]:
    return _check_record(operation, "value", session_required=True)


def _check_update(operation: Operation) -> Callable[[Call], None]:
    return _check_record(operation, "updates", session_required=False)


def _check_list(_: Operation) -> Callable[[Call], None]:
    def check(call: Call) -> None:
        session_id = call.params["session_id"]
        if _is_id(session_id):
            call.session_id = session_id
        else:
            _refuse(call, "session_id must be a non-empty string")

    return check


_CHECKERS = {
    "get": _check_get,
    "set": _check_set,
    "update": _check_update,
    "listBySession": _check_list,
}
