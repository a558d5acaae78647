"""Weakenings of what finds the way of a call, and of what takes messages to other sessions."""

from __future__ import annotations

from storescope.middleware._region._members import Members
from storescope.middleware._region._pinned import PinnedMap
from storescope.middleware._region._rehoming import Rehoming
from tests.region.simulation.weaken import Weakening

ROUTING = (
    Weakening(
        "Pin and policy are not asked again under the lease.",
        PinnedMap,
        "_under",
        "self._follow(call, lease.pin, name)",
        "self._members.by_region[lease.pin.region]",
    ),
    Weakening(
        "The tenant of a pin is not compared.",
        Members,
        "follow",
        "if pin.tenant != call.context.tenant:",
        "if False:",
    ),
    Weakening(
        "An id is looked for in every region.",
        PinnedMap,
        "_unpinned",
        "return await member.steps[name](call)",
        "for each in self._members.by_region.values():\n"
        '        if call.operation.verb == "get":\n'
        '            await each.look(call.operation.entity, call.params["id"], call)\n'
        "    return await member.steps[name](call)",
    ),
    Weakening(
        "What is pinned is looked for elsewhere while its backend does not answer.",
        Members,
        "follow",
        "if member is None:",
        "if member is not None and not member.health.is_good:\n"
        "        member = self.at_home(call)\n"
        "    if member is None:",
    ),
    Weakening(
        "A message is written without a claim.",
        PinnedMap,
        "_put_into",
        "owner = await self._reach(call, self._claims.claim(key, session))",
        "owner = session",
    ),
    Weakening(
        "A claim counts though the lease was asked back while it was made.",
        PinnedMap,
        "_put_into",
        "if not lease.is_good:",
        "if False:",
    ),
)

REHOMING = (
    Weakening(
        "A message goes to another session without a fence around the old one.",
        PinnedMap,
        "_rehome",
        "return await self._rehoming.run(call, key, source_key, target.id, write)",
        "result = await write(held.pin, self._leases.presence.term.holder)\n"
        "    await self._claims.move(key, old, target.id, lambda: None)\n"
        "    return result",
    ),
    Weakening(
        "A message goes to a session of another region.",
        PinnedMap,
        "_rehome",
        "if source.region != lease.pin.region and",
        "if False and",
    ),
    Weakening(
        "A process that was taken for dead puts a message into another session.",
        PinnedMap,
        "_rehome",
        " or not self._leases.presence.is_known_as(by)",
        "",
        Weakening(
            "It moves the claim too.",
            Rehoming,
            "_repair",
            "await self._claims.move(key, old.id, owner, lambda: self._make_sure(fence))",
            "await self._claims.move(key, old.id, owner, lambda: None)",
        ),
    ),
    Weakening(
        "A rehoming ends with a look where the policy forbids.",
        Rehoming,
        "_repair",
        "if member is None or not member.memory.ask(call.operation.name, call).allowed:",
        "if member is None:",
    ),
    Weakening(
        "A rehoming that the policy cuts short keeps its fence for itself.",
        Rehoming,
        "_abandon",
        "by=NOBODY",
        "by=fenced.pin.fence.by",
    ),
    Weakening(
        "A rehoming leaves the claim as it was.",
        Rehoming,
        "_repair",
        'owner = fence.data["to"] if has_gone else old.id',
        "owner = old.id",
    ),
    Weakening(
        "A claim follows what was meant, not the record.",
        Rehoming,
        "_repair",
        'owner = fence.data["to"] if has_gone else old.id',
        'owner = fence.data["to"]',
    ),
)

LAST_KNOWN = ()

ROUTES = (*ROUTING, *REHOMING, *LAST_KNOWN)
