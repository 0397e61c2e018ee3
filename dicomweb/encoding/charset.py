"""Text in the character sets of DICOM, code extensions included (PS3.3 C.12.1.1.2, PS3.5 6.1).

A value of a text VR is bytes; Specific Character Set (0008,0005) says what they mean. Its first value names
the sets that hold from the beginning of each value; further values allow escape sequences (ISO 2022) to bring in
others:

    G0  codes 00-7F   ASCII, or a multi-byte set such as JIS X 0208 after ESC $ B
    G1  codes 80-FF   Latin-1, Greek, half-width katakana, KS X 1001, ...

Every codec used for G1 holds ASCII in its lower half, so that a run of bytes between two escape sequences is
decoded by one codec: that of G0 if that is a multi-byte set, else that of G1. A delimiter brings back the
sets of the beginning (PS3.5 6.1.2.5.3).

Reading is lenient: unknown terms are Latin-1, bytes without meaning become U+FFFD, escape sequences of
sets that were not declared are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_LATIN_1 = "latin-1"

_CODECS = {
    # single-byte sets, without and with code extensions (PS3.3 tables C.12-2, C.12-3)
    "6": _LATIN_1,  # nothing above 7F is defined; Latin-1 shows what is there
    "13": "shift_jis",  # JIS X 0201: its half-width katakana lie there in Shift JIS, too
    "100": _LATIN_1,
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "126": "iso8859-7",
    "127": "iso8859-6",
    "138": "iso8859-8",
    "144": "iso8859-5",
    "148": "iso8859-9",
    "166": "iso8859-11",
    "203": "iso8859-15",
    # multi-byte sets with code extensions (table C.12-4)
    "87": "iso2022_jp",
    "159": "iso2022_jp_2",
    "149": "euc_kr",
    "58": "gb2312",
    # multi-byte sets without (table C.12-5)
    "192": "utf-8",
}
"""Codecs by the number in `ISO_IR 100` and `ISO 2022 IR 100`."""

_OTHER_TERMS = {
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO2022GBK": "gbk",
    "ISO202258": "gb2312",
    # no defined terms, but found in files
    "UTF8": "utf-8",
    "LATIN1": _LATIN_1,
    "ISO88591": _LATIN_1,
    "ASCII": _LATIN_1,
    "SHIFTJIS": "shift_jis",
    "EUCKR": "euc_kr",
    "GB2312": "gb2312",
    **{f"ISO8859{part}": f"iso8859-{part}" for part in range(2, 17) if part != 12},
}

_TERM = re.compile(r"ISO(?:2022)?IR(\d+)")

_ESCAPE = re.compile(rb"\x1b(?:\$[()-][A-D]|\$[@AB]|[(\-)][A-Zb])")
_G1_ESCAPES = {
    b"\x1b)I": "shift_jis",
    b"\x1b-A": _LATIN_1,
    b"\x1b-B": "iso8859-2",
    b"\x1b-C": "iso8859-3",
    b"\x1b-D": "iso8859-4",
    b"\x1b-F": "iso8859-7",
    b"\x1b-G": "iso8859-6",
    b"\x1b-H": "iso8859-8",
    b"\x1b-L": "iso8859-5",
    b"\x1b-M": "iso8859-9",
    b"\x1b-T": "iso8859-11",
    b"\x1b-b": "iso8859-15",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
_G0_MULTI_BYTE = {b"\x1b$B": "iso2022_jp", b"\x1b$@": "iso2022_jp", b"\x1b$(D": "iso2022_jp_2"}
_G0_SINGLE_BYTE = frozenset((b"\x1b(B", b"\x1b(J"))
"""ASCII and JIS X 0201 romaji. The latter has yen and overline for backslash and tilde; both are read as ASCII,
since the backslash is DICOM's separator."""

_TEXT_DELIMITER = re.compile(rb"[\t\n\f\r\\]")
_NAME_DELIMITER = re.compile(rb"[\t\n\f\r\\^=]")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """What the values of text VRs are written in."""

    codec: str
    """Python's name for the sets that hold at the beginning of a value."""
    extensions: bool
    """Whether escape sequences are looked for."""
    has_g1: bool
    """Whether codes 80-FF mean something from the beginning, so that a delimiter brings that back. Where they
    do not, what an escape sequence gave them is kept: Korean names in the wild often escape only once."""

    def decode(self, value: bytes, *, name: bool = False) -> str:
        """The text of a value, all its backslash-separated values together; `name` for person names."""
        if not self.extensions or b"\x1b" not in value:
            return value.decode(self.codec, "replace")
        return "".join(_decode_runs(self, value, _NAME_DELIMITER if name else _TEXT_DELIMITER))


DEFAULT = CharacterSet(_LATIN_1, extensions=True, has_g1=False)
"""The default repertoire (ISO-IR 6): what holds where nothing is declared."""


@lru_cache(maxsize=256)
def character_set(declared: tuple[str, ...]) -> tuple[CharacterSet, bool]:
    """The character set that the values of (0008,0005) declare, and whether all of them are understood.

    Spelling is forgiven: `ISO-IR 192`, `ISO 2022-IR-87`, `utf8`. UTF-8, GB18030 and GBK know no code extensions,
    so that further values are ignored behind them, and they behind others (PS3.3 C.12.1.1.2).
    """
    terms = [re.sub(r"[^A-Z0-9]", "", term.upper()) for term in declared]
    known = all(_codec(term) for term in terms)
    first = terms[0] if terms else ""
    codec = _codec(first) or _LATIN_1
    if codec in _G0_MULTI_BYTE.values():
        codec = "shift_jis"  # a set of G0 cannot hold from the beginning: its companion ISO-IR 13 is meant
    if codec in ("utf-8", "gb18030", "gbk"):
        return CharacterSet(codec, extensions=False, has_g1=True), known
    return CharacterSet(codec, extensions=True, has_g1=first not in ("", "ISOIR6", "ISO2022IR6")), known


def _codec(term: str) -> str | None:
    if not term:
        return _LATIN_1
    numbered = _TERM.fullmatch(term)
    return _CODECS.get(numbered[1]) if numbered else _OTHER_TERMS.get(term)


def _decode_runs(declared: CharacterSet, value: bytes, delimiter: re.Pattern[bytes]) -> Iterator[str]:
    """Decode run by run between escape sequences."""
    g0: bytes | None = None  # the escape sequence that brought in a multi-byte set
    g1 = declared.codec
    start = 0
    for escape in [*_ESCAPE.finditer(value), None]:
        run = value[start : escape.start() if escape else len(value)]
        if g0:
            yield (g0 + run).decode(_G0_MULTI_BYTE[g0], "replace")
        elif g1 != declared.codec and declared.has_g1 and (found := delimiter.search(run)):
            yield run[: found.start()].decode(g1, "replace")
            g1 = declared.codec
            yield run[found.start() :].decode(g1, "replace")
        else:
            yield run.decode(g1, "replace")
        if escape is None:
            return
        start = escape.end()
        sequence = escape[0]
        if sequence in _G1_ESCAPES:
            g0, g1 = None, _G1_ESCAPES[sequence]
        elif sequence in _G0_MULTI_BYTE:
            g0 = sequence
        elif sequence in _G0_SINGLE_BYTE:
            g0 = None
        else:
            yield sequence.decode(_LATIN_1)
