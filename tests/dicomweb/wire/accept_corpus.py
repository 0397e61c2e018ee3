"""Accept header fields as clients send them, each with who sends it, and what must be sent for it.

From the wire (OHIF 3.13, dicom-microscopy-viewer, VolView, browsers, scripts), the clients' published behaviour,
and the standard's own examples.
"""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT = "1.2.840.10008.1.2"
ELE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JLS = "1.2.840.10008.1.2.4.80"
J2K = "1.2.840.10008.1.2.4.90"
J2K_LOSSY = "1.2.840.10008.1.2.4.91"
JPX = "1.2.840.10008.1.2.4.92"
HTJ2K = "1.2.840.10008.1.2.4.201"
JXL = "1.2.840.10008.1.2.4.110"
RLE = "1.2.840.10008.1.2.5"
MPEG2 = "1.2.840.10008.1.2.4.100"
MP4 = "1.2.840.10008.1.2.4.102"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
PRIVATE = "1.2.3.4.5"

NATIVE = (IMPLICIT, ELE, DEFLATED, BIG)

OCTETS = "application/octet-stream"
DICOM = "application/dicom"

Sent = tuple[str, bool, str] | None
"""Media type, multipart, transfer syntax of the label; None is 406."""


@dataclass(frozen=True, slots=True)
class Case:
    """One Accept for one stored form."""

    client: str
    accept: str
    stored: str
    sent: Sent
    numbers: int = 1
    """Frames or instances asked for."""

    @property
    def converted(self) -> bool:
        """Whether other bytes are sent than are stored, turned round or not."""
        sent = self.sent[2] if self.sent else self.stored
        return sent != self.stored and not {self.stored, sent} <= {*NATIVE}


_DMV = ", ".join(
    f'multipart/related; type="{media}"; transfer-syntax={syntax}'
    for media, syntax in (
        ("image/jls", JLS),
        ("image/jls", "1.2.840.10008.1.2.4.81"),
        ("image/jp2", J2K),
        ("image/jp2", J2K_LOSSY),
        ("image/jpx", JPX),
        ("image/jpx", "1.2.840.10008.1.2.4.93"),
        (OCTETS, "*"),
        ("image/jpeg", JPEG),
    )
)
_OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
_OHIF_QUOTED = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
_UNNAMED = 'multipart/related; type="application/octet-stream"'
_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
_JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def _octets(label: str, *, multipart: bool = True) -> Sent:
    return (OCTETS, multipart, label)


FRAMES: tuple[Case, ...] = (
    Case("OHIF, native", _OHIF, ELE, _octets(ELE)),
    Case("OHIF, quoted", _OHIF_QUOTED, ELE, _octets(ELE)),
    Case("OHIF, implicit", _OHIF, IMPLICIT, _octets(ELE)),
    Case("OHIF, deflated data set", _OHIF, DEFLATED, _octets(ELE)),
    Case("OHIF, big endian as stored", _OHIF, BIG, _octets(BIG)),
    Case("OHIF, JPEG as stored", _OHIF, JPEG, _octets(JPEG)),
    Case("OHIF, JPEG-LS as stored", _OHIF, JLS, _octets(JLS)),
    Case("OHIF, HTJ2K as stored", _OHIF, HTJ2K, _octets(HTJ2K)),
    Case("OHIF, RLE as stored", _OHIF, RLE, _octets(RLE)),
    Case("OHIF, private syntax", _OHIF, PRIVATE, _octets(PRIVATE)),
    Case("OHIF, parameter twice", _OHIF + "; transfer-syntax=*", JPEG, _octets(JPEG)),
    Case("syntax within the quotes of type", 'multipart/related; type="image/jp2; transfer-syntax=' + J2K + '"',
         J2K, ("image/jp2", True, J2K)),
    Case("single quotes", "multipart/related; type='application/octet-stream'; transfer-syntax='*'", JPEG,
         _octets(JPEG)),
    Case("a quote left open", 'multipart/related; type="application/octet-stream; transfer-syntax=*', JPEG,
         _octets(JPEG)),
    Case("no blanks", "multipart/related;type=application/octet-stream;transfer-syntax=*", JPEG, _octets(JPEG)),
    Case("capitals", 'Multipart/Related; Type="Application/Octet-Stream"; Transfer-Syntax=*', JPEG, _octets(JPEG)),
    Case("empty items", ", ," + _OHIF + ", ", JPEG, _octets(JPEG)),
    Case("dmv, JPEG", _DMV, JPEG, ("image/jpeg", True, JPEG)),
    Case("dmv, JPEG-LS", _DMV, JLS, ("image/jls", True, JLS)),
    Case("dmv, JPEG 2000", _DMV, J2K, ("image/jp2", True, J2K)),
    Case("dmv, JPEG 2000 part 2", _DMV, JPX, ("image/jpx", True, JPX)),
    Case("dmv, HTJ2K", _DMV, HTJ2K, _octets(HTJ2K)),
    Case("dmv, native", _DMV, ELE, _octets(ELE)),
    Case("dmv, lossless JPEG", _DMV, JPEG_LOSSLESS, _octets(JPEG_LOSSLESS)),
    Case("dicomweb-client (Python), default", 'multipart/related; type="*/*"', JPEG, ("image/jpeg", True, JPEG)),
    Case("dicomweb-client (Python), default", 'multipart/related; type="*/*"', BIG, _octets(ELE)),
    Case("dicomweb-client (JS), any image", 'multipart/related; type="image/*"', J2K, ("image/jp2", True, J2K)),
    Case("dicomweb-client (JS), any image, native", 'multipart/related; type="image/*"', ELE,
         ("image/jpeg", True, JPEG_LOSSLESS)),
    Case("dicomweb-client, half a type", 'multipart/related; type="image/"', RLE, ("image/dicom-rle", True, RLE)),
    Case("legacy JPEG-LS", 'multipart/related; type="image/x-jls"', JLS, ("image/jls", True, JLS)),
    Case("legacy RLE", 'multipart/related; type="image/x-dicom-rle"', RLE, ("image/dicom-rle", True, RLE)),
    Case("legacy HTJ2K", 'multipart/related; type="image/jhc"', HTJ2K, ("image/jphc", True, HTJ2K)),
    Case("cornerstone, HTJ2K", "multipart/related; type=image/jphc", HTJ2K, ("image/jphc", True, HTJ2K)),
    Case("cornerstone, single HTJ2K", "image/jphc", HTJ2K, ("image/jphc", False, HTJ2K)),
    Case("JPEG XL", 'multipart/related; type="image/jxl"', JXL, ("image/jxl", True, JXL)),
    Case("video", 'multipart/related; type="video/mp4"', MP4, ("video/mp4", True, MP4)),
    Case("video, single", "video/mpeg", MPEG2, ("video/mpeg", False, MPEG2)),
    Case("any video", "video/*", MP4, ("video/mp4", False, MP4)),
    Case("deflated frames", _OHIF, DEFLATED_FRAMES, _octets(DEFLATED_FRAMES)),
    Case("wsidicom", f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}', JPEG,
         ("image/jpeg", True, JPEG), 5),
    Case("wsidicom asks whether JPEG 2000 is there", f'multipart/related; type="image/jp2"; transfer-syntax={J2K}',
         JPEG, ("image/jp2", True, J2K)),
    Case("no syntax named, native", _UNNAMED, ELE, _octets(ELE)),
    Case("no syntax named, implicit", _UNNAMED, IMPLICIT, _octets(ELE)),
    Case("no syntax named, big endian", _UNNAMED, BIG, _octets(ELE)),
    Case("no syntax named, lossless", _UNNAMED, JLS, _octets(ELE)),
    Case("no syntax named, lossy: octets are uncompressed", _UNNAMED, JPEG, _octets(ELE)),
    Case("no syntax named, no decoder: truly labelled", _UNNAMED, PRIVATE, _octets(PRIVATE)),
    Case("explicit little endian named", f"multipart/related; type={OCTETS}; transfer-syntax={ELE}", BIG,
         _octets(ELE)),
    Case("explicit little endian named, compressed", f"multipart/related; type={OCTETS}; transfer-syntax={ELE}",
         JPEG, _octets(ELE)),
    Case("explicit little endian named, video", f"multipart/related; type={OCTETS}; transfer-syntax={ELE}",
         MP4, None),
    Case("big endian named, not stored", f"multipart/related; type={OCTETS}; transfer-syntax={BIG}", ELE, None),
    Case("JPEG XL recompression of what is no JPEG", f"image/jxl; transfer-syntax={JXL[:-1]}1", ELE, None),
    Case("HTJ2K named, native", f"multipart/related; type=image/jphc; transfer-syntax={HTJ2K}", ELE,
         ("image/jphc", True, HTJ2K)),
    Case("cornerstone, HTJ2K of native", "image/jphc", ELE, ("image/jphc", False, HTJ2K)),
    Case("cornerstone, HTJ2K of JPEG 2000", "multipart/related; type=image/jphc", J2K,
         ("image/jphc", True, HTJ2K)),
    Case("octet-stream in HTJ2K", f"multipart/related; type={OCTETS}; transfer-syntax={HTJ2K}", ELE,
         _octets(HTJ2K)),
    Case("lossy is never meant unless it is named", "image/jpeg", JLS, ("image/jpeg", False, JPEG_LOSSLESS)),
    Case("lossless of lossy", "image/jls", JPEG, ("image/jls", False, JLS)),
    Case("RLE of native", 'multipart/related; type="image/dicom-rle"', ELE, ("image/dicom-rle", True, RLE)),
    Case("any image of video", "image/*", MP4, None),
    Case("two of equal quality, the stored one wins", "multipart/related; type=image/jphc, "
         f"multipart/related; type=image/jls; transfer-syntax={JLS}", JLS, ("image/jls", True, JLS)),
    Case("what is preferred is made", f"{_OHIF}; q=0.5, multipart/related; type=image/jls", ELE,
         ("image/jls", True, JLS)),
    Case("implicit named and stored", f"multipart/related; type={OCTETS}; transfer-syntax={IMPLICIT}", IMPLICIT,
         _octets(IMPLICIT)),
    Case("implicit named, not stored", f"multipart/related; type={OCTETS}; transfer-syntax={IMPLICIT}", ELE,
         _octets(IMPLICIT)),
    Case("one of two syntaxes on one range", f"multipart/related; type=image/jp2; transfer-syntax={J2K}; "
         f"transfer-syntax={J2K_LOSSY}", J2K_LOSSY, ("image/jp2", True, J2K_LOSSY)),
    Case("single octet-stream", OCTETS, ELE, _octets(ELE, multipart=False)),
    Case("single octet-stream, several frames", OCTETS, ELE, None, 2),
    Case("single JPEG", "image/jpeg", JPEG, ("image/jpeg", False, JPEG)),
    Case("single as stored", f"{OCTETS}; transfer-syntax=*", J2K, _octets(J2K, multipart=False)),
    Case("the better of two by q", f"{_OHIF}; q=0.5, image/jpeg; q=0.9", JPEG, ("image/jpeg", False, JPEG)),
    Case("the better of two by q, reversed", f"image/jpeg; q=0.1, {_OHIF}; q=0.9", JPEG, _octets(JPEG)),
    Case("never JPEG", "image/jpeg; q=0, multipart/related; type=image/jpeg; q=0, */*", JPEG, _octets(JPEG)),
    Case("q that is no number", f"{_OHIF}; q=high", JPEG, _octets(JPEG)),
    Case("curl", "*/*", ELE, _octets(ELE)),
    Case("no Accept at all, lossless", "", J2K, _octets(ELE)),
    Case("no Accept at all, lossy", "", J2K_LOSSY, ("image/jp2", True, J2K_LOSSY)),
    Case("no Accept at all, video", "", MP4, ("video/mp4", True, MP4)),
    Case("a blank Accept", " ", ELE, _octets(ELE)),
    Case("browser", _BROWSER, ELE, _octets(ELE)),
    Case("Java", _JAVA, ELE, ("image/jpeg", False, JPEG_LOSSLESS)),
    Case("Java, JPEG", _JAVA, JPEG, ("image/jpeg", False, JPEG)),
    Case("multipart without type", "multipart/related", JPEG, ("image/jpeg", True, JPEG)),
    Case("any multipart", "multipart/*", ELE, _octets(ELE)),
    Case("any application type", "application/*", ELE, _octets(ELE, multipart=False)),
    Case("a web page", "text/html", ELE, None),
    Case("nonsense", "%%%", ELE, None),
    Case("JSON", "application/dicom+json", ELE, None),
)  # fmt: skip

_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PLAIN = 'multipart/related; type="application/dicom"'

INSTANCES: tuple[Case, ...] = (
    Case("VolView, OHIF SEG", _PLAIN, ELE, (DICOM, True, ELE)),
    Case("VolView, implicit", _PLAIN, IMPLICIT, (DICOM, True, ELE)),
    Case("VolView, big endian", _PLAIN, BIG, (DICOM, True, ELE)),
    Case("VolView, deflated", _PLAIN, DEFLATED, (DICOM, True, ELE)),
    Case("VolView, lossless", _PLAIN, J2K, (DICOM, True, ELE)),
    Case("VolView, lossy", _PLAIN, J2K_LOSSY, (DICOM, True, J2K_LOSSY)),
    Case("VolView, private", _PLAIN, PRIVATE, (DICOM, True, PRIVATE)),
    Case("as stored, lossless", _STORED, J2K, (DICOM, True, J2K)),
    Case("as stored", _STORED, BIG, (DICOM, True, BIG)),
    Case("as stored, deflated", _STORED, DEFLATED, (DICOM, True, DEFLATED)),
    Case("as stored, private", _STORED, PRIVATE, (DICOM, True, PRIVATE)),
    Case("Google adapter", "application/dicom; transfer-syntax=*", JPEG, (DICOM, False, JPEG)),
    Case("single", "application/dicom", IMPLICIT, (DICOM, False, ELE)),
    Case("single, of many", "application/dicom", ELE, None, 2),
    Case("zip", "application/zip", IMPLICIT, ("application/zip", False, ELE), 9),
    Case("zip as stored", "application/zip; transfer-syntax=*", IMPLICIT, ("application/zip", False, IMPLICIT), 9),
    Case("zip under its old name", "application/x-zip-compressed", JPEG, ("application/zip", False, JPEG), 9),
    Case("dicomweb-client (Python)", f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}', JPEG,
         (DICOM, True, JPEG)),
    Case("named and made", f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}', ELE,
         (DICOM, True, JPEG)),
    Case("big endian named", f'{_PLAIN}; transfer-syntax={BIG}', ELE, None),
    Case("a video named", f'{_PLAIN}; transfer-syntax={MP4}', ELE, None),
    Case("explicit named, compressed", f'{_PLAIN}; transfer-syntax={ELE}', JPEG, (DICOM, True, ELE)),
    Case("explicit named, video", f'{_PLAIN}; transfer-syntax={ELE}', MP4, None),
    Case("deflated named", f'{_PLAIN}; transfer-syntax={DEFLATED}', ELE, (DICOM, True, DEFLATED)),
    Case("zip in JPEG-LS", f"application/zip; transfer-syntax={JLS}", ELE, ("application/zip", False, JLS), 9),
    Case("several syntaxes, the stored one wins", f"{_PLAIN}; transfer-syntax={ELE}, {_PLAIN}; transfer-syntax="
         f"{IMPLICIT}", IMPLICIT, (DICOM, True, IMPLICIT)),
    Case("curl", "*/*", JPEG, (DICOM, True, JPEG), 3),
    Case("browser", _BROWSER, ELE, (DICOM, True, ELE)),
    Case("an image", "image/jpeg", JPEG, None),
)  # fmt: skip
