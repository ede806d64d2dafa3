"""Shares as operators type them."""

import re

import click

_SHARE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?%?")


class Percentage(click.ParamType[float]):
    """Percent, with or without the sign: 10, 0.5, 0.5%."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """From 0 to 100."""
        text = str(value).strip()
        if not _SHARE.fullmatch(text) or float(text.rstrip("%")) > 100:
            self.fail(f"{text} is no percentage (0 to 100, as 0.5%)", param, ctx)
        return float(text.rstrip("%"))
