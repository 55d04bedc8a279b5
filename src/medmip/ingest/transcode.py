"""A file's own copy as clean UTF-8 with line feeds, made in one stream."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medmip.ingest.dialect import Head
from medmip.ingest.report import FIRST, Kind

CHUNK = 1 << 20
_BLANK = re.compile(r"(?<=\n)(?=\n)")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Copy:
    """What the copying saw: line ends of the copy, how lines ended before, whether any quote is
    there that may hold a line end, and any underscore below the first line.
    """

    lines: int
    newline: str
    quoted: bool
    underscored: bool


@dataclass(frozen=True, slots=True)
class BadText:
    """Places of the text that cannot be read: their number and the first lines, from 1."""

    kind: Kind
    count: int
    lines: tuple[int, ...]


class Unreadable(Exception):
    """The text has bytes that its encoding does not know, or NUL characters."""


def detect_encoding(path: Path) -> str:
    """The encoding of a file, read to its end where need be; raises OSError.

    A byte order mark decides; else NUL bytes that show UTF-16; else UTF-8 where all bytes are
    that. A file that has both valid UTF-8 beyond ASCII and bytes that are none is called UTF-8,
    so that the broken places are found; else it is Windows-1252 or Latin-1.
    """
    with path.open("rb") as file:
        head = file.read(CHUNK)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if head[1::2].count(0) > 0.4 * len(head) / 2:
        return "utf-16-le"
    if head[::2].count(0) > 0.4 * len(head) / 2:
        return "utf-16-be"
    if _decodes(path, "utf-8"):
        return "utf-8"
    beyond_ascii = any(_has_letters(text) for text in _texts(path, "utf-8", "replace"))
    return "cp1252" if not beyond_ascii and _decodes(path, "cp1252") else "utf-8"


def _has_letters(text: str) -> bool:
    """Whether something beyond ASCII was read, other than the mark of what could not be."""
    return not text.replace("\ufffd", "").isascii()


def _decodes(path: Path, encoding: str) -> bool:
    try:
        for _ in _texts(path, encoding, "strict"):
            pass
    except UnicodeError:
        return False
    return True


def is_text_encoding(encoding: str) -> bool:
    """Whether Python knows the encoding, and it is one of text."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
    except LookupError:
        return False
    return True


def head_of(path: Path, encoding: str) -> str:
    """The first megabyte of a file as text with line feeds; broken places are marked."""
    return next(_texts(path, encoding, "replace"), "")


def transcode(
    path: Path,
    target: Path,
    encoding: str,
    head: Head,
    *,
    progress: Callable[[float], None],
) -> Copy:
    """Copy a file as UTF-8 with line feeds, one after the last line; raises Unreadable.

    Blank lines between records become records of empty cells, so that no row number shifts
    where the engine skips a blank line.
    """
    lines = done = ends = 0
    size = path.stat().st_size or 1
    has_blank_lines = quoted = underscored = False
    decoder = _Decoder(encoding, "strict")
    try:
        with target.open("w", encoding="utf-8", newline="") as file:
            for text in _texts(path, encoding, "strict", decoder):
                if "\0" in text:
                    raise Unreadable
                quoted = quoted or bool(head.quote and head.quote in text)
                body = text.rstrip("\n")
                begin = 0 if lines else text.find("\n") + 1
                underscored = underscored or text.find("_", begin) >= 0
                if body:
                    has_blank_lines |= "\n\n" in body or ends + _leading_ends(body) > 1
                    file.write("\n" * ends + body)
                    lines += ends + body.count("\n")
                    ends = 0
                ends += len(text) - len(body)
                done += len(text)
                progress(min(1.0, done / size))
            file.write("\n")
    except UnicodeError:
        raise Unreadable from None
    if has_blank_lines and len(head.names) > 1:
        _fill_blank_lines(target, head)
    return Copy(lines + 1, decoder.newline, quoted, underscored)


def _leading_ends(text: str) -> int:
    return len(text) - len(text.lstrip("\n"))


def _fill_blank_lines(file: Path, head: Head) -> None:
    filled = file.with_suffix(".filled")
    filler = _BlankLines(head)
    with (
        file.open(encoding="utf-8", newline="") as source,
        filled.open("w", encoding="utf-8", newline="") as target,
    ):
        while text := source.read(CHUNK):
            target.write(filler.fill(text))
    filled.replace(file)


class _BlankLines:
    """Follows a file's quotes, to tell a blank line between records from one within a cell."""

    def __init__(self, head: Head) -> None:
        self._quote = head.quote
        self._starts = ("\n", head.delimiter, head.quote)
        self._blank = head.delimiter * (len(head.names) - 1)
        self._open = False
        self._before = "\n"

    def fill(self, text: str) -> str:
        parts = text.split(self._quote) if self._quote else [text]
        for index, part in enumerate(parts):
            if index:
                self._meet_quote()
            if part and not self._open:
                before = "\n" * (self._before == "\n")
                parts[index] = _BLANK.sub(self._blank, before + part)[len(before) :]
                self._before = part[-1]
        return self._quote.join(parts)

    def _meet_quote(self) -> None:
        if self._open:
            self._open, self._before = False, self._quote
        elif self._before in self._starts:
            self._open = True


def bad_text(path: Path, encoding: str) -> Iterator[BadText]:
    """Where a file cannot be read: bytes outside the encoding, NUL characters."""
    marks = {"\ufffd": Kind.BAD_ENCODING, "\0": Kind.NUL_BYTE}
    counts = dict.fromkeys(marks, 0)
    lines: dict[str, list[int]] = {mark: [] for mark in marks}
    line = 1
    for text in _texts(path, encoding, "replace"):
        for mark in marks:
            counts[mark] += text.count(mark)
            position = text.find(mark)
            while position >= 0 and len(lines[mark]) < FIRST:
                number = line + text.count("\n", 0, position)
                if number not in lines[mark]:
                    lines[mark].append(number)
                end = text.find("\n", position)
                position = -1 if end < 0 else text.find(mark, end)
        line += text.count("\n")
    for mark, kind in marks.items():
        if counts[mark]:
            yield BadText(kind, counts[mark], tuple(lines[mark]))


class _Decoder:
    """Decodes and makes every line end a line feed, remembering what the ends were."""

    def __init__(self, encoding: str, errors: str) -> None:
        name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        inner = codecs.getincrementaldecoder(name)(errors)
        self._decoder = io.IncrementalNewlineDecoder(inner, translate=True)

    def decode(self, data: bytes, *, final: bool) -> str:
        return self._decoder.decode(data, final)

    @property
    def newline(self) -> str:
        seen = self._decoder.newlines
        ends = (seen,) if isinstance(seen, str) else seen or ("\n",)
        names = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
        return " and ".join(sorted(names[end] for end in ends))


def _texts(
    path: Path, encoding: str, errors: str, decoder: _Decoder | None = None
) -> Iterator[str]:
    decoder = decoder or _Decoder(encoding, errors)
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            if text := decoder.decode(data, final=False):
                yield text
    if text := decoder.decode(b"", final=True):
        yield text
