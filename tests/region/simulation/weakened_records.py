"""Weakenings of what reads and writes records that carry labels."""

from __future__ import annotations

from storescope.middleware._region import _labelled
from storescope.middleware._region._enforcer import Enforcer
from storescope.middleware._region._guard import RegionGuard
from storescope.middleware._region._labelled import LabelledMap
from tests.region.simulation.weaken import Weakening

_ROW = "code = self._fault_in_list(call, entity, row)"
_IN_FORCE = "return decision if self._memory.still_holds(decision) else self._decide_anew(call, decision)"
_SESSION = "not await self._session(call, session):"

READS = (
    Weakening(
        "The last row of a list is not looked at.",
        LabelledMap,
        "_listBySession",
        _ROW,
        f"{_ROW} if row is not rows[-1] else None",
    ),
    Weakening(
        "Only the first row of a list is looked at.",
        LabelledMap,
        "_listBySession",
        _ROW,
        f"{_ROW} if row is rows[0] else None",
    ),
    Weakening(
        "A row that belongs to another session's list is returned.",
        LabelledMap,
        "_fault_in_list",
        'if code is None and row.get("sessionId") != call.session_id:',
        "if False:",
    ),
    Weakening(
        "Rows are left out, and nobody is told.",
        Enforcer,
        "object_to",
        "call.decision = self._memory.filtered(decision, code)",
        "pass",
    ),
    Weakening(
        "Rows are left out though the policy only monitors.",
        Enforcer,
        "object_to",
        "if leave_out and decision.allowed and not objection.allowed:",
        "if leave_out and decision.allowed:",
    ),
    Weakening(
        "A denied record is returned as missing.",
        LabelledMap,
        "_reveal",
        "self._enforcer.object_to(call, code)",
        "return None",
    ),
    Weakening(
        "A denied read returns None.",
        LabelledMap,
        "_get",
        "admit(call)",
        "try:\n            admit(call)\n        except Exception:\n            return None",
    ),
    Weakening(
        "A denied list is empty.",
        LabelledMap,
        "_listBySession",
        "admit(call)",
        "try:\n            admit(call)\n        except Exception:\n            return []",
    ),
    Weakening(
        "A wrong label is told, and the record returned.",
        Enforcer,
        "object_to",
        "raise _denial(call, objection)",
        "return False",
    ),
    Weakening(
        "What an update returns is not looked at.",
        LabelledMap,
        "_update",
        "return self._reveal(call, entity, call.record_id, record)",
        "return _stripped(record)",
    ),
    Weakening(
        "The label is not taken off a record.", LabelledMap, "_reveal", "return _stripped(record)", "return record"
    ),
    Weakening(
        "The label is not taken off the rows of a list.",
        LabelledMap,
        "_listBySession",
        "kept.append(_stripped(row))",
        "kept.append(row)",
    ),
    Weakening(
        "The label is taken off the record that the store keeps.",
        _labelled,
        "_stripped",
        "stripped = dict(record)",
        "stripped = record",
    ),
    Weakening(
        "A wrong label is judged by a policy that is gone.",
        Enforcer,
        "_in_force",
        _IN_FORCE,
        "return decision",
    ),
)

WRITES = (
    Weakening(
        "A record is replaced without a look at it.",
        LabelledMap,
        "_set",
        'await look(call, given["id"])',
        "pass",
    ),
    Weakening(
        "A record is updated without a look at it.",
        LabelledMap,
        "_update",
        'is_right = await look(call, given["id"])',
        "is_right = True",
    ),
    Weakening(
        "An update goes on though the look found nothing.",
        LabelledMap,
        "_update",
        "if is_right is None:",
        "if False:",
    ),
    Weakening(
        "A call is not decided anew after a look.",
        LabelledMap,
        "_looker",
        "admit(call)  # it waited",
        "pass",
    ),
    Weakening(
        "A wrong label that was let through is forgotten when the policy changes.",
        Enforcer,
        "_decide_anew",
        "if decision.allowed and before.is_objection:",
        "if False:",
    ),
    Weakening(
        "A message is put into a session without a look at it.",
        LabelledMap,
        "_look_at_session",
        "if key in self._sessions or",
        "if True or",
    ),
    Weakening(
        "A session that one tenant may write to is open to every tenant.",
        LabelledMap,
        "_look_at_session",
        "key = (call.context.tenant, session)",
        "key = (None, session)",
    ),
    Weakening(
        "A session that was not there yet counts as looked at.",
        LabelledMap,
        "_look_at_session",
        _SESSION,
        _SESSION.replace("not ", "").replace(":", " is False:"),
    ),
    Weakening(
        "The label is put into the caller's own record.",
        LabelledMap,
        "_labelled",
        "return {**record, FIELD: label}",
        "record[FIELD] = label\n    return record",
    ),
    Weakening(
        "The label names the caller's region.",
        LabelledMap,
        "_labelled",
        "region=self._region)",
        "region=call.context.region or self._region)",
    ),
    Weakening(
        "An update that names a new session leaves the label as it was.",
        LabelledMap,
        "_update",
        "updates = self._labelled(call, entity, updates)",
        "pass",
    ),
    Weakening(
        "What the caller does to its record while the call waits reaches the store.",
        _labelled,
        "_own",
        "return {name: value for name, value in record.items() if name != FIELD}",
        "return record",
    ),
    Weakening(
        "Outer layers are shown the record with its label.",
        LabelledMap,
        "_set",
        "call.params = given  # which the layers outside go on seeing",
        "pass",
    ),
    Weakening(
        "`auto` labels nothing.", RegionGuard, "_labels_records", "return backend.keeps_labels", "return False"
    ),
)

RECORDS = (*READS, *WRITES)
