"""Which format a body has, and in which an answer is given. Source: RFC 9110 section 12.5.1."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from werkzeug.http import parse_accept_header, parse_options_header

from gateway.errors import NotAcceptable, UnsupportedMediaType
from gateway.wire.formats.format import Format

_NO_PARAMETERS: Mapping[str, str] = {}
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class Formats:
    """All formats there are, the most liked first."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._readers = {kind: one for one in formats if one.read for kind in one.media_types}
        self._writers = [one for one in formats if one.write]
        self._by_name = {one.name: one for one in formats}
        self.of_bodies = tuple(one for one in formats if one.read)
        self.of_answers = tuple(self._writers)
        self.accept_post = ", ".join(one.media_types[0] for one in formats if one.read)
        # Clients send the same few values, and parsing one takes 20 µs.
        self.for_answer = lru_cache(maxsize=256)(self._for_answer)

    def __getitem__(self, name: str) -> Format:
        return self._by_name[name]

    def for_body(self, content_type: str) -> tuple[Format, Mapping[str, str]]:
        """The format that a Content-Type names, and the parameters it has.

        Raises: UnsupportedMediaType, with Accept-Post (W3C LDP section 7.1, RFC 9110 15.5.16).
        """
        known = self._readers.get(content_type)
        if known is not None:
            return known, _NO_PARAMETERS
        media_type, parameters = parse_options_header(content_type)
        known = self._readers.get(media_type.lower())
        parameters = {name.lower(): value for name, value in parameters.items()}
        if known is None or parameters.get("charset", "utf-8").lower() not in _UTF8:
            raise UnsupportedMediaType(
                f"Send the body in UTF-8, as one of these types: {self.accept_post}.",
                headers={"Accept-Post": self.accept_post, "Accept": self.accept_post},
            )
        return known, parameters

    def _for_answer(self, accept: str) -> tuple[Format, Mapping[str, str]]:
        """The format a caller likes most, ours first among equals; the first where all are liked.

        Args:
            accept: the request's header; empty is the same as `*/*`.

        Raises: NotAcceptable.
        """
        ranges = _ranges(accept or "*/*")
        best, best_quality, best_parameters = None, 0.0, _NO_PARAMETERS
        for one in self._writers:
            quality, parameters = _quality(one, ranges)
            if quality > best_quality:
                best, best_quality, best_parameters = one, quality, parameters
        if best is None:
            given = ", ".join(one.media_types[0] for one in self._writers)
            raise NotAcceptable(f"Answers are {given}: accept one of them, or send no Accept.")
        return best, best_parameters


def _ranges(accept: str) -> Mapping[str, tuple[float, Mapping[str, str]]]:
    """Each media range with its quality and its parameters; of equal ones the most liked."""
    ranges: dict[str, tuple[float, Mapping[str, str]]] = {}
    for value, quality in parse_accept_header(accept):
        media_type, parameters = parse_options_header(value)
        ranges.setdefault(media_type.lower(), (quality, parameters))
    return ranges


def _quality(
    one: Format, ranges: Mapping[str, tuple[float, Mapping[str, str]]]
) -> tuple[float, Mapping[str, str]]:
    """What the most exact range that fits says of a format."""
    named = [ranges[kind] for kind in one.media_types if kind in ranges]
    if named:
        return max(named, key=lambda found: found[0])
    main_type = one.media_types[0].partition("/")[0]
    quality, _ = ranges.get(f"{main_type}/*") or ranges.get("*/*") or (0.0, _NO_PARAMETERS)
    return quality, _NO_PARAMETERS
