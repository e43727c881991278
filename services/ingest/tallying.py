"""PURE how far a stream has come."""

from __future__ import annotations

from services.ingest.judge import Judgement


class Tally:
    """What a stream has come to. Every line before `next_line` is answered for."""

    def __init__(self) -> None:
        self.lines = 0
        self.accepted = 0
        self.rejected = 0

    @property
    def next_line(self) -> int:
        """The first line that nothing is claimed of."""
        return self.lines + 1

    def add(self, judgement: Judgement, last_line: int) -> None:
        """All lines up to the last are done."""
        self.lines = last_line
        self.accepted += len(judgement.verdicts) - judgement.rejected
        self.rejected += judgement.rejected
