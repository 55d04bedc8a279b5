"""A file's own copy as clean UTF-8 with line feeds, made in one stream."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmip.ingest.dialect import Head
from medmip.ingest.report import FIRST, Kind

CHUNK = 1 << 20
LONGEST = 64 << 20
"""Bytes without a line end after which a file is no table, whatever follows."""
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


class Endless(Exception):
    """A line of more than 64 MB; line is its number, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


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
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    ascii_is_itself = encoding == "utf-8"
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                if not (ascii_is_itself and data.isascii() and not decoder.getstate()[0]):
                    decoder.decode(data)
        decoder.decode(b"", final=True)
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
    """Copy a file as UTF-8 with line feeds, one after the last line; raises Unreadable, Endless.

    Blank lines between records become records of empty cells, so that no row number shifts
    where the engine skips a blank line.
    """
    lines = done = ends = since = 0
    size = path.stat().st_size or 1
    has_blank_lines = quoted = underscored = False
    decoder, quote = _Decoder(encoding, "strict"), head.quote.encode()
    try:
        # To write takes as long as to look through: one part is written while the next is read.
        with target.open("wb") as file, ThreadPoolExecutor(1) as writer:
            written = writer.submit(int)
            for text in _clean(path, decoder):
                if b"\0" in text:
                    raise Unreadable
                first = text.find(b"\n")
                if since + (len(text) if first < 0 else first) > LONGEST:
                    raise Endless(lines + ends + 1)
                since = since + len(text) if first < 0 else len(text) - text.rfind(b"\n") - 1
                quoted = quoted or bool(quote and quote in text)
                body = text.rstrip(b"\n")
                begin = 0 if lines else text.find(b"\n") + 1
                underscored = underscored or text.find(b"_", begin) >= 0
                if body:
                    within, doubled = _line_ends(body)
                    has_blank_lines |= doubled or ends + _leading_ends(body) > 1
                    written.result()
                    written = writer.submit(file.write, b"\n" * ends + body)
                    lines += ends + within
                    ends = 0
                ends += len(text) - len(body)
                done += len(text)
                progress(min(1.0, done / size))
            written.result()
            file.write(b"\n")
    except UnicodeError:
        raise Unreadable from None
    if has_blank_lines and len(head.names) > 1:
        _fill_blank_lines(target, head)
    return Copy(lines + 1, decoder.newline, quoted, underscored)


def _line_ends(text: bytes) -> tuple[int, bool]:
    """How many there are, and whether one follows another: pairs by far quicker than by bytes."""
    pairs = (np.frombuffer(text, "<u2", (len(text) - begin) // 2, begin) for begin in (0, 1))
    return text.count(b"\n"), any(bool((pair == 0x0A0A).any()) for pair in pairs)


def _leading_ends(text: bytes) -> int:
    return len(text) - len(text.lstrip(b"\n"))


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
        self._is_utf8 = name == "utf-8-sig"
        self._fed = False

    def clean(self, data: bytes, *, final: bool) -> bytes:
        """The same as UTF-8; nearly all of a file is ASCII with line feeds, and copied as it is."""
        plain = self._is_utf8 and data.isascii() and b"\r" not in data
        if plain and not final and self._decoder.getstate() == (b"", 0):
            self._fed = self._fed or b"\n" in data
            return data
        return self.decode(data, final=final).encode()

    def decode(self, data: bytes, *, final: bool) -> str:
        return self._decoder.decode(data, final)

    @property
    def newline(self) -> str:
        seen = self._decoder.newlines
        ends = {seen} if isinstance(seen, str) else {*(seen or ())}
        if self._fed or not ends:
            ends.add("\n")
        names = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
        return " and ".join(sorted(names[end] for end in ends))


def _clean(path: Path, decoder: _Decoder) -> Iterator[bytes]:
    yield from filter(None, (decoder.clean(data, final=not data) for data in _parts(path)))


def _texts(path: Path, encoding: str, errors: str) -> Iterator[str]:
    decoder = _Decoder(encoding, errors)
    yield from filter(None, (decoder.decode(data, final=not data) for data in _parts(path)))


def _parts(path: Path) -> Iterator[bytes]:
    """A file's bytes, a part at a time; an empty one is the last."""
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            yield data
    yield b""
