"""What is sent for which Accept: the corpus, and the rules behind it."""

from __future__ import annotations

import pytest

from dicomweb.services.conversions import made_of_frames, made_of_instances
from dicomweb.wire.exchange import Request
from dicomweb.wire.negotiation import (
    DICOM_JSON,
    DICOM_XML,
    JSON,
    Accepted,
    NotAcceptable,
    Representation,
    accepted_by,
    choose,
    parse_accepted,
)
from dicomweb.wire.offers import frame_offers, instance_offers, value_offers
from tests.build.asking import make_request
from tests.build.images import spec_of
from tests.dicomweb.wire.accept_corpus import BIG, ELE, FRAMES, INSTANCES, JPEG, OCTETS, Case, Sent

RLE = "1.2.840.10008.1.2.5"

GREY = spec_of(bits=8)
METADATA = (Representation(DICOM_JSON, False), Representation(JSON, False), Representation(DICOM_XML, True))


def sent(accepted: Accepted, offers: tuple[Representation, ...]) -> Sent:
    try:
        chosen = choose(accepted, offers)
    except NotAcceptable:
        return None
    return (chosen.media, chosen.multipart, chosen.transfer_syntax)


@pytest.mark.parametrize("case", FRAMES, ids=lambda case: f"{case.client}: {case.stored}")
def test_frames_are_sent_as_the_corpus_says(case: Case) -> None:
    made = made_of_frames((case.stored, GREY, "OB"))
    offers = frame_offers(case.stored, single_part=case.numbers == 1, made=made)
    assert sent(parse_accepted("", case.accept), offers) == case.sent


@pytest.mark.parametrize("case", INSTANCES, ids=lambda case: f"{case.client}: {case.stored}")
def test_instances_are_sent_as_the_corpus_says(case: Case) -> None:
    made = made_of_instances((case.stored, GREY, "OB"))
    offers = instance_offers(case.stored, single_part=case.numbers == 1, made=made)
    assert sent(parse_accepted("", case.accept), offers) == case.sent


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/dicom+json", DICOM_JSON),
        ("application/json", JSON),
        ("application/dicom+json, application/json", DICOM_JSON),
        ('multipart/related; type="application/dicom+xml"', DICOM_XML),
        # OHIF, with a range for frames left in the header
        ("application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*; "
         "transfer-syntax=*", DICOM_JSON),
        ("application/dicom+json; transfer-syntax=*", DICOM_JSON),
        ("application/dicom+json; transfer-syntax=1.2.840.10008.1.2.1", DICOM_JSON),
        ("application/dicom+json; charset=utf-8", DICOM_JSON),
        ("application/*", DICOM_JSON),
        ("*/*", DICOM_JSON),
        ("", DICOM_JSON),
        ("text/html, */*; q=0.1", DICOM_JSON),
        ("application/dicom+json; q=0.1, multipart/related; type=application/dicom+xml", DICOM_XML),
    ],
)  # fmt: skip
def test_metadata_are_sent_as_their_clients_expect(accept: str, media: str) -> None:
    assert choose(parse_accepted("", accept), METADATA).media == media


def test_the_label_names_the_transfer_syntax() -> None:
    offer = frame_offers(JPEG, single_part=True)[0]
    assert offer.content_type == f"image/jpeg; transfer-syntax={JPEG}"


def test_big_endian_is_marked_for_swapping_only_where_it_becomes_little_endian() -> None:
    swapped = {(o.transfer_syntax, o.swapped) for o in frame_offers(BIG, single_part=True)}
    assert swapped == {(BIG, False), (ELE, True)}


def test_a_refusal_lists_each_media_type_once_with_the_names_of_its_transfer_syntaxes() -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose(parse_accepted("", "image/png"), frame_offers(JPEG, single_part=True, made=(ELE, RLE)))
    assert str(refused.value) == (
        "none of the accepted media types can be sent; offered are: image/jpeg with transfer-syntax JPEG Baseline "
        f"(Process 1) ({JPEG}); image/dicom-rle with transfer-syntax RLE Lossless ({RLE}); {OCTETS} with "
        f"transfer-syntax Explicit VR Little Endian ({ELE}), all of these; each by itself or in multipart/related"
    )


def test_a_refusal_tells_how_media_types_are_packed() -> None:
    instances = NotAcceptable(instance_offers(ELE, single_part=False))
    assert str(instances).endswith(
        f"application/dicom, application/zip with transfer-syntax Explicit VR Little Endian ({ELE}); "
        "in multipart/related: application/dicom; by itself: application/zip"
    )
    assert str(NotAcceptable((Representation(DICOM_XML, True),))).endswith("+xml; all in multipart/related")
    assert str(NotAcceptable(METADATA[:2])).endswith("offered are: application/dicom+json, application/json")


def test_a_refusal_may_say_why() -> None:
    refused = NotAcceptable(METADATA[:1], why="words")
    assert str(refused).startswith("none of the accepted media types can be sent (words); offered are: ")


@pytest.mark.parametrize(
    ("accept", "sent_as"),
    [
        ("image/jls; transfer-syntax=*", ("image/jls", "1.2.840.10008.1.2.4.80")),
        ('multipart/related; type="image/jphc"; transfer-syntax=*', ("image/jphc", "1.2.840.10008.1.2.4.201")),
        ("image/jpeg; transfer-syntax=*", ("image/jpeg", "1.2.840.10008.1.2.4.70")),
        ("application/octet-stream; transfer-syntax=*", (OCTETS, ELE)),
        ("image/jls; transfer-syntax=*, application/octet-stream; transfer-syntax=*", (OCTETS, ELE)),
        ("*/*; transfer-syntax=*", (OCTETS, ELE)),
    ],
)
def test_as_stored_of_a_media_type_that_nothing_is_stored_in_is_its_default(
    accept: str, sent_as: tuple[str, str]
) -> None:
    offers = frame_offers(ELE, single_part=True, made=made_of_frames((ELE, GREY, "OB")))
    chosen = choose(parse_accepted("", accept), offers)
    assert (chosen.media, chosen.transfer_syntax) == sent_as


def test_the_accept_parameter_comes_before_the_header_field() -> None:
    request = make_request("/", query=(("accept", "image/jpeg"),), accept="*/*")
    assert choose(accepted_by(request), frame_offers(JPEG, single_part=True)).multipart is False


def test_an_accept_parameter_that_cannot_be_met_gives_way_to_the_header_field() -> None:
    request = make_request("/", query=(("accept", "image/png"),), accept=OCTETS)
    assert choose(accepted_by(request), frame_offers(JPEG, single_part=True)).media == OCTETS


def test_a_plus_that_became_a_blank_in_the_accept_parameter_is_understood() -> None:
    request = make_request("/", query=(("accept", "application/dicom json"),), accept="text/html")
    assert choose(accepted_by(request), METADATA).media == DICOM_JSON


def test_empty_query_items_do_no_harm() -> None:
    request = make_request("/", query=(("", ""), ("accept", "")), accept="application/json")
    assert choose(accepted_by(request), METADATA).media == JSON


def test_nothing_said_accepts_anything() -> None:
    request: Request = make_request("/")
    assert choose(accepted_by(request), METADATA).media == DICOM_JSON


def test_a_close_range_overrules_a_wide_one() -> None:
    accepted = parse_accepted("", "application/json; q=0.2, application/*; q=0.9")
    assert choose(accepted, METADATA[1:2]).media == JSON
    assert choose(accepted, METADATA).media == DICOM_JSON


def test_one_bulk_value_comes_as_a_single_part_unless_asked_otherwise() -> None:
    offers = value_offers(JPEG, compressed=False)
    assert sent(parse_accepted("", "*/*"), offers) == (OCTETS, False, ELE)
    assert sent(parse_accepted("", 'multipart/related; type="application/octet-stream"'), offers) == (
        OCTETS, True, ELE,
    )  # fmt: skip


def test_compressed_pixel_data_are_a_bulk_value_of_their_own_type() -> None:
    offers = value_offers(JPEG, compressed=True)
    assert sent(parse_accepted("", "*/*"), offers) == ("image/jpeg", False, JPEG)
