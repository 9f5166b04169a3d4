"""A user's mistakes: one or two sentences each, with the exit code that a batch job can act on."""

from __future__ import annotations


class WafaError(Exception):
    """A mistake that the user can mend; the message says which rule, which value, where, and the cure."""

    exit_code = 1


class ParamsError(WafaError):
    """Wrong usage or params."""

    exit_code = 2


class StaleError(WafaError):
    """Refused as stale or unsafe."""

    exit_code = 3


class DataError(WafaError):
    """A data contract is broken."""

    exit_code = 4


class LockedError(WafaError):
    """Another run holds the lock."""

    exit_code = 75
