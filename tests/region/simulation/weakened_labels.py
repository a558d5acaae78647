"""Weakenings of what says whether a label is right."""

from __future__ import annotations

from storescope.middleware._region import _labels
from storescope.middleware._region._labels import Labels
from tests.region.simulation.weaken import Weakening

_PARTS = '(entity, label["id"], label.get("session", ""), label["tenant"], label["region"])'
_FAULTY = 'return "label_missing" if label is None else "label_malformed"'

LABELS = (
    Weakening(
        "A record without a label is right.", Labels, "fault", _FAULTY, _FAULTY.replace('"label_missing"', "None")
    ),
    Weakening(
        "A label that cannot be read is right.",
        Labels,
        "fault",
        _FAULTY,
        _FAULTY.replace('"label_malformed"', "None"),
    ),
    Weakening(
        "A label's tenant is not compared.",
        Labels,
        "fault",
        'if not tenant or label.get("tenant") != tenant:',
        "if False:",
    ),
    Weakening(
        "A label's tenant needs only to begin like the caller's.",
        Labels,
        "fault",
        'label.get("tenant") != tenant',
        'not str(label.get("tenant")).startswith(tenant)',
    ),
    Weakening(
        "A label's region is not compared.",
        Labels,
        "fault",
        'if region is None or label.get("region") != region:',
        "if False:",
    ),
    Weakening(
        "A label's session is not compared.",
        Labels,
        "fault",
        'if label.get("session") != _session_of(entity, id, record):',
        "if False:",
    ),
    Weakening("A label's MAC is not looked at.", Labels, "fault", "if self._macs and not", "if False and not"),
    Weakening(
        "A MAC is right whatever it says.",
        Labels,
        "_is_genuine",
        "return any(compare_digest(_mac(mac, entity, label), given) for mac in self._macs)",
        "return True",
    ),
    Weakening(
        "A label may name another record than the one it is on.",
        Labels,
        "_is_genuine",
        "if id_ is not None and id_ != named:",
        "if False:",
    ),
    Weakening("A MAC does not cover the kind of record.", _labels, "_mac", _PARTS, _PARTS.replace("entity, ", "")),
    Weakening("A MAC does not cover the id.", _labels, "_mac", _PARTS, _PARTS.replace('label["id"], ', "")),
    Weakening(
        "A MAC does not cover the session.",
        _labels,
        "_mac",
        _PARTS,
        _PARTS.replace('label.get("session", ""), ', ""),
    ),
    Weakening(
        "A MAC does not cover the tenant.", _labels, "_mac", _PARTS, _PARTS.replace('label["tenant"], ', "")
    ),
    Weakening(
        "A MAC does not cover the region.", _labels, "_mac", _PARTS, _PARTS.replace(', label["region"]', "")
    ),
)
