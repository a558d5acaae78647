"""Verifies an audit folder: every MAC, every number, every seal, and what streams say of each other."""

from storescope.middleware._audit._verify._folder import verify
from storescope.middleware._audit._verify._report import Finding, Report, StreamReport, Verdict

__all__ = ["Finding", "Report", "StreamReport", "Verdict", "verify"]
