"""PURE: the error that tells its reader what to do."""

from __future__ import annotations


class UserError(Exception):
    """Something the person at the keyboard can mend. The message is one sentence for them; no traceback is shown."""
