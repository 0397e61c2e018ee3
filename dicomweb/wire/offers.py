"""What can be sent of frames, bulk values and instances, given how they are stored and what can be made of them.

Two things decide: the transfer syntax that is stored, and `made`, the syntaxes the frames can be converted to, in
the order of preference among equals. The stored form always comes first. What a range gets that names no transfer
syntax (PS3.18 8.7.3, Tables 8.7.3-2, 8.7.3-4, 8.7.3-5):

| stored | */* | application/octet-stream | its own type | another image type |
|---|---|---|---|---|
| native | Explicit VR Little Endian | the same | | that type's default |
| losslessly compressed | Explicit VR Little Endian | the same | that type's default | that type's default |
| lossy | as stored | Explicit VR Little Endian | as stored | that type's default |
| lossless or lossy, no decoder | as stored | as stored | as stored | |

With `as_stored` (setting `default_transfer_syntax = stored`) all of these get the stored form where they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dicomweb.wire.negotiation import DICOM, ZIP, Representation
from dicomweb.wire.transfer_syntaxes import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    OCTETS,
    TransferSyntax,
    transfer_syntax,
)

Made = Sequence[str]
"""UIDs of transfer syntaxes, the best first."""


def instance_offers(
    stored: str, *, single_part: bool, made: Made = (), as_stored: bool = False
) -> tuple[Representation, ...]:
    """What can be sent of instances stored in that syntax (PS3.18 8.7.3.1).

    Native ones can always be re-encoded as Explicit VR Little Endian, the standard's default. `single_part`: one
    application/dicom can hold it all. A zip of them (Supplement 211) is offered last.
    """
    syntax = transfer_syntax(stored)
    plain = not syntax.encapsulated or EXPLICIT_LITTLE in made
    by_default = as_stored or stored == EXPLICIT_LITTLE or not plain or (syntax.encapsulated and syntax.lossy)
    forms = [Representation(DICOM, False, stored, default=by_default, wild=by_default)]
    if plain and stored != EXPLICIT_LITTLE:
        forms.append(
            Representation(
                DICOM, False, EXPLICIT_LITTLE, stored=False, default=not by_default, wild=not by_default,
                swapped=syntax.big_endian, converted=syntax.encapsulated,
            )
        )  # fmt: skip
    forms += (
        Representation(DICOM, False, uid, stored=False, default=False, wild=False, converted=True)
        for uid in made
        if uid not in (stored, EXPLICIT_LITTLE)
    )
    zips = (replace(form, media=ZIP) for form in forms)
    return (*_packaged(forms, single_part=single_part), *zips)


def frame_offers(
    stored: str, *, single_part: bool, made: Made = (), as_stored: bool = False
) -> tuple[Representation, ...]:
    """What can be sent of frames stored in that syntax (PS3.18 8.7.3.3).

    Native frames are application/octet-stream; those of an implicit or deflated data set have the very bytes that
    Explicit VR Little Endian would give them and go under its label. Compressed ones go under the media type of
    their codec, and as application/octet-stream too, under their own label: what viewers mean by octet-stream with
    `transfer-syntax=*`.
    """
    syntax = transfer_syntax(stored)
    stored_forms = _compressed if syntax.encapsulated else _native
    forms = stored_forms(syntax, made, as_stored)
    there = {form.transfer_syntax for form in forms}
    for uid in made:
        if uid not in there:
            forms += _converted(transfer_syntax(uid))
    return _packaged(forms, single_part=single_part)


def value_offers(
    stored: str, *, compressed: bool, single_part: bool = True, made: Made = (), as_stored: bool = False
) -> tuple[Representation, ...]:
    """What can be sent of one bulk value of an instance stored in that syntax (PS3.18 8.7.3.3).

    `compressed` is whether the value is encapsulated pixel data; all other values are native whatever the syntax.
    The single part comes first: a bulk data reference is followed with `*/*` and means the value.
    """
    native = not compressed and transfer_syntax(stored).encapsulated
    offers = frame_offers(
        EXPLICIT_LITTLE if native else stored, single_part=single_part, made=made, as_stored=as_stored
    )
    return tuple(sorted(offers, key=lambda offer: (offer.converted, offer.multipart)))


def _compressed(syntax: TransferSyntax, made: Made, as_stored: bool) -> list[Representation]:
    """Frames of a compressed syntax as they are stored."""
    plain = EXPLICIT_LITTLE in made
    by_default = as_stored or syntax.lossy or not plain
    own = Representation(
        syntax.media_type, False, syntax.uid, default=by_default or syntax.is_default, wild=by_default
    )
    if own.media == OCTETS:
        return [replace(own, default=as_stored or not plain)]
    # To the standard octet-stream without a syntax is uncompressed. Where that cannot be given the true label
    # keeps a client from taking one for the other.
    return [own, replace(own, media=OCTETS, default=as_stored or not plain)]


def _native(syntax: TransferSyntax, made: Made, as_stored: bool) -> list[Representation]:
    """Frames of a native syntax, in either byte order."""
    if syntax.big_endian:
        forms = [
            Representation(OCTETS, False, syntax.uid, default=as_stored, wild=as_stored),
            Representation(OCTETS, False, EXPLICIT_LITTLE, stored=False, swapped=True),
        ]
    else:
        forms = [Representation(OCTETS, False, EXPLICIT_LITTLE)]
    if syntax.uid == IMPLICIT_LITTLE or IMPLICIT_LITTLE in made:
        same = forms[-1]
        stored = same.stored and syntax.uid == IMPLICIT_LITTLE
        forms.append(replace(same, transfer_syntax=IMPLICIT_LITTLE, stored=stored, default=False, wild=False))
    return forms


def _converted(syntax: TransferSyntax) -> list[Representation]:
    """Frames decoded, and encoded anew unless the syntax is native."""
    plain = syntax.uid == EXPLICIT_LITTLE
    octets = Representation(OCTETS, False, syntax.uid, stored=False, default=plain, wild=plain, converted=True)
    if syntax.media_type == OCTETS:
        return [octets]
    return [replace(octets, media=syntax.media_type, default=syntax.is_default), octets]


def _packaged(forms: Sequence[Representation], *, single_part: bool) -> tuple[Representation, ...]:
    """Each form as multipart and, where one body can hold it, as a single part: multipart is the default."""
    many = [replace(form, multipart=True) for form in forms]
    return (*many, *(forms if single_part else ()))
