"""Moments and durations as operators type them."""

import re
from datetime import UTC, datetime

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


class MomentType(click.ParamType[float]):
    """A moment to come: a duration from now (30d, 12h, 45m, 90s), or a date in UTC."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds since 1970."""
        text = str(value)
        duration = _DURATION.fullmatch(text)
        now = datetime.now(UTC).timestamp()
        if duration is not None:
            return now + int(duration[1]) * _UNITS_S[duration[2]]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text} is neither a duration (30d, 12h) nor a date", param, ctx)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if at <= now:
            self.fail(f"{text} has passed already", param, ctx)
        return at
