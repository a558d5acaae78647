"""Weakenings of leases, claims, and what tells whether another process is still there."""

from __future__ import annotations

from storescope.middleware._region._enforcer import Enforcer
from storescope.middleware._region._pins._claims import Claims
from storescope.middleware._region._pins._fence import Fences
from storescope.middleware._region._pins._lease import Lease
from storescope.middleware._region._pins._leases import Leases
from storescope.middleware._region._pins._presence import Presence
from storescope.middleware._region._pins._timing import Timing
from storescope.middleware._region._pins._watch import Watch
from tests.region.simulation.weaken import Weakening

LEASES = (
    Weakening("A process takes no lease.", Leases, "_take", ".held_by(term.holder)", ""),
    Weakening(
        "The last writer of a pin wins.",
        Leases,
        "_take",
        ", expected=version)",
        ")",
    ),
    Weakening(
        "A lease is taken through a fence.", Leases, "take", "if wanted.fence is None:", "if wanted.fence or True:"
    ),
    Weakening(
        "A pin that was read for an earlier lease is good for the next one.",
        Leases,
        "_take",
        "lease = Lease(key, pin, term, self._timing.clock)",
        "lease = Lease(key, self.last(key) or pin, term, self._timing.clock)",
    ),
    Weakening(
        "A call begins under a lease that was asked back.",
        Lease,
        "is_good",
        "not self._recalled and ",
        "",
    ),
    Weakening(
        "A lease is given back while calls are made under it.", Lease, "end", "await self._done.wait()", "pass"
    ),
    Weakening(
        "A lease that ended is relied on before a contact.",
        Enforcer,
        "admit",
        "if call.lease is not None:",
        "if False:",
    ),
    Weakening(
        "A lease that ended is relied on.",
        Lease,
        "hold_good",
        "if self._clock() >= self._term.until:",
        "if False:",
    ),
)

TERMS = (
    Weakening(
        "Leases are bounded by no clock.",
        Presence,
        "_begin",
        "asked + self._timing.relied_on",
        'float("inf")',
    ),
    Weakening(
        "A renewed term is counted from the answer.",
        Presence,
        "_renew_once",
        "asked + self._timing.relied_on",
        "self._timing.clock() + self._timing.relied_on",
    ),
    Weakening(
        "A renewal that is refused counts.",
        Presence,
        "_renew_once",
        "term.until, self.term = asked, None",
        "term.until = asked + self._timing.relied_on",
    ),
    Weakening(
        "A holder relies on its lease for longer than others wait.",
        Timing,
        "relied_on",
        "self.lease * _OWN_SHARE",
        "2 * (self.lease + self.settle)",
    ),
    Weakening(
        "The clock of the holder is compared with that of who watches it.",
        Watch,
        "is_gone",
        "waited = now - seen.since",
        "waited = now - (float(entry.value) if entry else seen.since)",
        Weakening(
            "A holder writes down its time.",
            Presence,
            "_token",
            "token_hex(8).encode()",
            "str(self._timing.clock()).encode()",
        ),
    ),
)

CLAIMS = (
    Weakening("A claim takes the place of who was first.", Claims, "claim", ", expected=ABSENT)", ")"),
    Weakening(
        "A claim is remembered past its lease.",
        Claims,
        "lease_of",
        "return lease if lease is not None and lease.is_good else None",
        "return lease",
    ),
    Weakening("A fence is written over whatever is there.", Fences, "change", ", expected=seen.version)", ")"),
    Weakening("A fence stands while leases last.", Fences, "drain", "while fenced.pin.holders:", "while False:"),
)

PINS = (*LEASES, *TERMS, *CLAIMS)
