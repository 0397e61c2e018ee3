"""Character sets: the examples of PS3.5 annexes H, I, J and K, and what files make of them."""

from __future__ import annotations

import pytest

from dicomweb.encoding.charset import DEFAULT, character_set

ESC = b"\x1b"


def decoded(value: bytes, *declared: str, name: bool = False) -> str:
    return character_set(declared)[0].decode(value, name=name)


JAPANESE = ("", "ISO 2022 IR 87")
KOREAN = ("", "ISO 2022 IR 149")


@pytest.mark.parametrize(
    ("section", "declared", "value", "expected"),
    [
        (
            "H.3.1", JAPANESE,
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "H.3.2", ("ISO 2022 IR 13", "ISO 2022 IR 87"),
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ),
        (
            "I.2", KOREAN,
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        ("J.1", ("ISO_IR 192",), "Wang^XiaoDong=王^小东=".encode(), "Wang^XiaoDong=王^小东="),
        ("J.2", ("GB18030",), b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
        (
            "K.2", ("", "ISO 2022 IR 58"),
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
    ],
)  # fmt: skip
def test_person_names_of_the_standard(
    section: str, declared: tuple[str, ...], value: bytes, expected: str
) -> None:
    assert decoded(value, *declared, name=True) == expected


@pytest.mark.parametrize(
    ("term", "codec", "text"),
    [
        ("ISO_IR 100", "latin-1", "Äneas Rüdiger"),
        ("ISO_IR 101", "iso8859-2", "Dvořák"),
        ("ISO_IR 109", "iso8859-3", "Ĉapelo"),
        ("ISO_IR 110", "iso8859-4", "Ŗīga"),
        ("ISO_IR 126", "iso8859-7", "Διονυσιος"),
        ("ISO_IR 127", "iso8859-6", "قباني^لنزار"),
        ("ISO_IR 138", "iso8859-8", "שרון^דבורה"),
        ("ISO_IR 144", "iso8859-5", "Люкceмбypг"),
        ("ISO_IR 148", "iso8859-9", "Çavuşoğlu"),
        ("ISO_IR 166", "iso8859-11", "นามสกุล"),
        ("ISO_IR 203", "iso8859-15", "Œuvre €"),
        ("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ"),
        ("ISO_IR 192", "utf-8", "😀 ᚠ"),
        ("GB18030", "gb18030", "王小东"),
        ("GBK", "gbk", "王小东"),
    ],
)
def test_single_sets(term: str, codec: str, text: str) -> None:
    assert decoded(text.encode(codec), term) == text
    assert character_set((term,))[1]


@pytest.mark.parametrize(
    ("escape", "codec", "text"),
    [
        (b"-A", "latin-1", "Ä"), (b"-B", "iso8859-2", "Ř"), (b"-C", "iso8859-3", "Ĉ"), (b"-D", "iso8859-4", "Ŗ"),
        (b"-F", "iso8859-7", "Δ"), (b"-G", "iso8859-6", "ق"), (b"-H", "iso8859-8", "ש"), (b"-L", "iso8859-5", "Л"),
        (b"-M", "iso8859-9", "Ğ"), (b"-T", "iso8859-11", "น"), (b"-b", "iso8859-15", "€"),
        (b")I", "shift_jis", "ﾔ"), (b"$)C", "euc_kr", "홍"), (b"$)A", "gb2312", "张"),
    ],
)  # fmt: skip
def test_escape_sequences_bring_in_sets_of_g1(escape: bytes, codec: str, text: str) -> None:
    value = b"abc" + ESC + escape + text.encode(codec) + b"xyz"

    assert decoded(value, "", "ISO 2022 IR 100") == f"abc{text}xyz"


def test_jis_x_0212() -> None:
    text = "丂丄"
    value = text.encode("iso2022_jp_2")

    assert decoded(value, "", "ISO 2022 IR 159") == text


def test_delimiter_brings_back_the_first_set() -> None:
    """PS3.5 6.1.2.5.3."""
    greek = ESC + b"-F" + "Δ".encode("iso8859-7")

    for delimiter in (b"\\", b"\r", b"\n", b"\f", b"\t"):
        assert decoded(greek + delimiter + b"\xc4", "ISO 2022 IR 100", "ISO 2022 IR 126")[-1] == "Ä"
    assert decoded(greek + b"^\xc4", "ISO 2022 IR 100", "ISO 2022 IR 126", name=True) == "Δ^Ä"
    assert decoded(greek + b"^\xc4", "ISO 2022 IR 100", "ISO 2022 IR 126") == "Δ^Δ"


def test_korean_name_that_escapes_once_is_read_to_its_end() -> None:
    value = ESC + b"$)C" + "홍^길동".encode("euc_kr")

    assert decoded(value, *KOREAN, name=True) == "홍^길동"


def test_set_of_g1_outlives_a_change_of_g0() -> None:
    """ESC ( B concerns G0 alone (ISO 2022)."""
    value = ESC + b"-F" + "Δ".encode("iso8859-7") + ESC + b"(B" + b"a" + "Ω".encode("iso8859-7")

    assert decoded(value, "", "ISO 2022 IR 126") == "ΔaΩ"


def test_escape_sequence_of_a_set_that_was_not_declared_is_understood() -> None:
    assert DEFAULT.decode(b"\x1b$B;3ED\x1b(B") == "山田"


def test_unknown_escape_sequence_stays_in_the_text() -> None:
    assert DEFAULT.decode(b"a\x1b(Zb\x1b") == "a\x1b(Zb\x1b"


def test_second_byte_of_a_character_may_be_a_backslash() -> None:
    value = "塡\\a".encode("gbk")
    assert value.count(b"\\") == 2

    assert decoded(value, "GBK") == "塡\\a"


@pytest.mark.parametrize("declared", [("ISO_IR 192", "ISO 2022 IR 87"), ("GB18030", "ISO 2022 IR 58")])
def test_sets_without_code_extensions_ignore_what_follows(declared: tuple[str, ...]) -> None:
    codec = character_set(declared)[0]

    assert not codec.extensions
    assert decoded(b"a\x1b(Bb", *declared) == "a\x1b(Bb"


@pytest.mark.parametrize("term", ["ISO-IR 192", "ISO IR 192", "ISO_IR_192", "iso_ir 192", "UTF-8", "utf8"])
def test_misspelt_terms_are_understood(term: str) -> None:
    assert decoded("é".encode(), term) == "é"
    assert character_set((term,))[1]


@pytest.mark.parametrize("term", ["KLINGON", "ISO_IR 9999", "rot13", "unicode_escape"])
def test_undefined_terms_are_latin_1(term: str) -> None:
    assert decoded(b"\xe4\\x41", term) == "ä\\x41"
    assert not character_set((term,))[1]


def test_bytes_without_meaning_become_replacement_characters() -> None:
    assert decoded(b"a\xffb", "ISO_IR 192") == "a\ufffdb"
    assert "\ufffd" in decoded(b"\x1b$B\xff\xff\x1b(B", *JAPANESE)
