"""Weakenings of moves."""

from __future__ import annotations

from storescope.middleware._region._moving._move import Mover
from storescope.middleware._region._moving._rows import Side
from tests.region.simulation.weaken import Weakening

_BETWEEN_ROWS = "self._check_policy(tenant, target)\n        self._make_sure(fenced)"
_AT_THE_SWITCH = "policy = self._check_policy(tenant, target)"

MOVES = (
    Weakening(
        "A move does not wait for the leases to end.",
        Mover,
        "_go_on",
        "fenced = await self._registry.fences.drain(key, fenced)",
        "pass",
    ),
    Weakening(
        "The policy is not asked between the rows.",
        Mover,
        "_copy",
        _BETWEEN_ROWS,
        "self._make_sure(fenced)",
    ),
    Weakening(
        "The policy is not asked before the switch.",
        Mover,
        "_copy",
        _AT_THE_SWITCH,
        "policy = self._source.current",
    ),
    Weakening(
        "What was copied is not verified.",
        Mover,
        "_copy",
        "if _contents(await target.rows(session, tenant)) != _contents(rows):",
        "if False:",
    ),
    Weakening(
        "The source is purged before the pin is switched.",
        Mover,
        "_copy",
        _AT_THE_SWITCH,
        "for row in rows:\n        await source.purge(row, tenant)\n    " + _AT_THE_SWITCH,
    ),
    Weakening(
        "The source is not purged.", Mover, "_purge", "gone = await source.purge(row, tenant) or gone", "pass"
    ),
    Weakening("The epoch stays as it was.", Mover, "_copy", "epoch=pin.epoch + 1", "epoch=pin.epoch"),
    Weakening(
        "A move that is made again copies again after the switch.",
        Mover,
        "_go_on",
        "if fenced.pin.region == source.region:",
        "if True:",
    ),
    Weakening(
        "A move that is made again takes its own copies for another's.",
        Mover,
        "_copy",
        'fenced = await self._change(key, fenced, noting(fenced, {**data_of(fenced), "fresh": False}))',
        "pass",
    ),
    Weakening(
        "What an earlier try copied stays.",
        Mover,
        "_copy",
        "await target.purge(row, tenant)",
        "pass",
    ),
    Weakening(
        "A move that is made again tries for ever to purge what it did not copy.",
        Mover,
        "_copy",
        'if strange or (there and data_of(fenced)["fresh"]):',
        'if there and data_of(fenced)["fresh"]:',
    ),
    Weakening(
        "A wrong label becomes a right one by a move.",
        Mover,
        "_copy",
        "self._check_labels(rows, tenant, source)",
        "pass",
    ),
    Weakening(
        "A label is moved as it is.",
        Side,
        "put",
        "{**row.bare, FIELD: label}",
        "row.record",
    ),
    Weakening(
        "Parts are not moved.", Side, "rows", 'for entity in ("message", "part")', 'for entity in ("message",)'
    ),
    Weakening(
        "A move that is given up leaves its copies.",
        Mover,
        "_give_up",
        'copies = [] if data_of(seen)["fresh"] else await target.rows(key.id, tenant)',
        "copies = []",
    ),
    Weakening(
        "A move that is given up leaves its fence.",
        Mover,
        "_give_up",
        "await self._change(key, seen, replace(seen.pin, fence=None))",
        "pass",
    ),
    Weakening(
        "A move that ends a rehoming claims what was meant, not what the record says.",
        Mover,
        "_end_rehoming",
        'owner = fence.data["to"] if has_gone else key.id',
        'owner = fence.data["to"]',
    ),
)
