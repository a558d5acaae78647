"""Pins: which region and tenant a session, a sandbox or a setup belongs to, in one linearizable registry."""
