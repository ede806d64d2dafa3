"""Time as a test has it."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds that pass when told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
