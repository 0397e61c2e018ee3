"""The table of transfer syntaxes against pydicom's copy of PS3.6."""

from __future__ import annotations

import pydicom.uid
import pytest
from pydicom.uid import UID

from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, transfer_syntax

KNOWN = [syntax for syntax in TRANSFER_SYNTAXES.values() if syntax.uid in pydicom.uid.UID_dictionary]


@pytest.mark.parametrize("syntax", KNOWN, ids=lambda syntax: syntax.uid)
def test_name_and_encapsulation_are_those_of_the_standard(syntax: TransferSyntax) -> None:
    uid = UID(syntax.uid)
    assert syntax.name == uid.name.split(":")[0]
    assert syntax.encapsulated is uid.is_encapsulated
    assert syntax.big_endian is not uid.is_little_endian
    assert syntax.deflated is uid.is_deflated


def test_every_syntax_of_the_standard_is_in_the_table_but_for_those_without_pixel_data_of_their_own() -> None:
    missing = {
        UID(uid).name
        for uid, (_, kind, *_) in pydicom.uid.UID_dictionary.items()
        if kind == "Transfer Syntax" and uid not in TRANSFER_SYNTAXES
    }
    assert {name.split()[0] for name in missing} == {"JPIP", "RFC", "XML", "SMPTE", "Papyrus"}


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"])
def test_lossy_syntaxes_are_known_as_such(uid: str) -> None:
    assert transfer_syntax(uid).lossy


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"])
def test_lossless_syntaxes_are_known_as_such(uid: str) -> None:
    assert not transfer_syntax(uid).lossy


def test_an_unknown_syntax_is_taken_for_an_encapsulated_one() -> None:
    syntax = transfer_syntax("1.2.3")
    assert (syntax.uid, syntax.encapsulated, syntax.media_type) == ("1.2.3", True, "application/octet-stream")
