"""Frames over the web, as the viewers that ask for them take them (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey
from dicomweb.services.frames import Frames, parse_frame_list
from dicomweb.services.limits import Limits
from dicomweb.wire.exchange import WebError
from tests.build.asking import make_request
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    RLE,
    ct_slice,
    encode,
    image_attributes,
    make_data_set,
    make_file,
    multi_frame,
    native_frames,
    pixels,
    to_file,
    uid,
)
from tests.build.memory_archive import MemoryArchive
from tests.build.web import Told, ask, read_answer

KEY = InstanceKey(uid("study"), uid("series"), uid("instance"))
INSTANCE = f"/studies/{KEY.study}/series/{KEY.series}/instances/{KEY.instance}"
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
OCTETS = "application/octet-stream"


def service(*files: bytes, limits: Limits | None = None) -> Frames:
    return Frames(MemoryArchive(files), DirectCompute(), limits)


async def get(frames: Frames, listed: str, accept: str = OHIF, **headers: str) -> Told:
    path = f"{INSTANCE}/frames/{listed}" if listed else f"{INSTANCE}/frames"
    return await ask(frames.handlers(), path, accept=accept, **headers)


async def test_a_frame_comes_as_a_part_that_names_its_transfer_syntax() -> None:
    told = await get(service(ct_slice()), "1")
    assert told.status == 200
    (part,) = told.parts()
    assert part.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"
    assert part.data == pixels(32)


async def test_the_body_is_laid_out_as_viewers_search_it() -> None:
    told = await get(service(ct_slice()), "1")
    boundary = told.content_type.partition("boundary=")[2].encode()
    assert told.body.startswith(b"--" + boundary + b"\r\nContent-Type: application/octet-stream; transfer-syntax=")
    assert told.body.index(b"\r\n\r\n") < 1000
    assert told.body.endswith(b"\r\n--" + boundary + b"--\r\n")
    assert told.content_type.startswith("multipart/related")


async def test_one_frame_is_sent_in_pieces_without_being_joined() -> None:
    archive = MemoryArchive([ct_slice()])
    frames = Frames(archive, DirectCompute())
    answer = await frames.frames(make_request("/", accept=OHIF), {**vars_of(KEY), "frames": "1"})
    assert isinstance(answer.body, Sequence)
    assert len(answer.body) == 3
    assert archive.calls == {"find_instance": 1, "frames": 1}


def vars_of(key: InstanceKey) -> dict[str, str]:
    return {"study": key.study, "series": key.series, "instance": key.instance}


async def test_compressed_frames_come_as_stored_under_octet_stream_with_their_own_label() -> None:
    told = await get(service(multi_frame([[b"one "], [b"two "]])), "2")
    (part,) = told.parts()
    assert part.content_type == f"application/octet-stream; transfer-syntax={JPEG_BASELINE}"
    assert part.data == b"two "


async def test_compressed_frames_come_under_the_type_of_their_codec() -> None:
    told = await get(
        service(multi_frame([[b"one "]], transfer_syntax=RLE)), "1", 'multipart/related; type="image/*"'
    )
    assert told.content_type.startswith('multipart/related; type="image/dicom-rle"')
    assert told.parts()[0].content_type == f"image/dicom-rle; transfer-syntax={RLE}"


async def test_frames_come_in_the_order_of_the_list_and_as_often_as_they_stand_in_it() -> None:
    told = await get(service(native_frames(3)), "3,1,3")
    stored = pixels(48)
    assert [part.data for part in told.parts()] == [stored[32:], stored[:16], stored[32:]]


async def test_all_frames_begin_with_the_first() -> None:
    told = await get(service(native_frames(3)), "")
    assert [part.data for part in told.parts()] == [pixels(48)[n : n + 16] for n in (0, 16, 32)]


async def test_many_frames_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomweb.services.frames._GATHERED_BYTES", 40)
    frames = service(native_frames(10))
    answer = await frames.all_frames(make_request("/", accept=OHIF), vars_of(KEY))
    assert not isinstance(answer.body, bytes | Sequence)
    told = await read_answer(answer)
    assert b"".join(part.data for part in told.parts()) == pixels(160)


async def test_what_is_gathered_before_a_long_answer_begins_is_little() -> None:
    """Each of many clients that read slowly holds as much."""
    size = 512 * 512
    archive = MemoryArchive([native_frames(16, rows=512, columns=512)])
    taken: list[int] = []
    read = archive.frames

    async def frames(instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        async for frame in read(instance, numbers):
            taken.append(len(frame))
            yield frame

    archive.frames = frames  # type: ignore[method-assign]  # to see how far it is read
    answer = await Frames(archive, DirectCompute()).all_frames(make_request("/", accept=OHIF), vars_of(KEY))
    assert not isinstance(answer.body, bytes | Sequence)
    assert 0 < sum(taken) <= (2 << 20) + size


async def test_a_single_part_is_the_frame_and_nothing_else() -> None:
    told = await get(service(ct_slice()), "1", OCTETS)
    assert told.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"
    assert told.body == pixels(32)


async def test_a_range_of_a_single_part_is_206_with_the_total() -> None:
    told = await get(service(ct_slice()), "1", OCTETS, range="bytes=4-7")
    assert (told.status, told.body) == (206, pixels(32)[4:8])
    assert told.headers["content-range"] == "bytes 4-7/32"


async def test_a_range_of_multipart_is_ignored() -> None:
    told = await get(service(ct_slice()), "1", OHIF, range="bytes=4-7")
    assert told.status == 200
    assert told.parts()[0].data == pixels(32)


async def test_a_range_outside_the_frame_is_416() -> None:
    told = await get(service(ct_slice()), "1", OCTETS, range="bytes=32-")
    assert (told.status, told.headers["content-range"]) == (416, "bytes */32")


@pytest.mark.parametrize("listed", ["0", "4", "1,4", "00", "99999999999999999999"])
async def test_a_frame_that_does_not_exist_is_404(listed: str) -> None:
    assert (await get(service(native_frames(3)), listed)).status == 404


@pytest.mark.parametrize("listed", ["a", "1,", ",1", "-1", "1.5", "1;2", "1-3", "+1", "١", "1,,2"])
async def test_what_is_no_list_of_frames_is_400(listed: str) -> None:
    assert (await get(service(native_frames(3)), listed)).status == 400


async def test_a_huge_list_is_refused_before_anything_is_read() -> None:
    archive = MemoryArchive([native_frames(3)])
    told = await get(Frames(archive, DirectCompute(), Limits(frame_list=100)), ",".join(["1"] * 101))
    assert told.status == 400
    assert not archive.calls


def test_a_list_of_the_greatest_length_is_read() -> None:
    assert parse_frame_list(" 1, 2,3 ", 3) == [1, 2, 3]
    with pytest.raises(WebError):
        parse_frame_list("1,2,3,4", 3)


async def test_an_instance_without_pixel_data_has_no_frames() -> None:
    frames = service(make_file())
    assert (await get(frames, "1")).status == 404
    assert (await get(frames, "")).status == 404


async def test_an_unknown_instance_is_404_and_a_deleted_one_410() -> None:
    archive = MemoryArchive([ct_slice()])
    frames = Frames(archive, DirectCompute())
    assert (await get(Frames(MemoryArchive(), DirectCompute()), "1")).status == 404
    await archive.remove(KEY.scope, door="test", peer="")
    assert (await get(frames, "1")).status == 410


async def test_an_illegal_uid_is_400() -> None:
    told = await ask(service(ct_slice()).handlers(), "/studies/../series/1/instances/1/frames/1")
    assert told.status == 400


async def test_what_cannot_be_sent_is_406_with_what_can() -> None:
    told = await get(service(ct_slice()), "1", "image/png")
    assert told.status == 406
    assert b"application/octet-stream" in told.body


async def test_a_client_that_holds_the_frame_gets_304_and_nothing_is_read() -> None:
    archive = MemoryArchive([ct_slice()])
    frames = Frames(archive, DirectCompute())
    first = await get(frames, "1", OCTETS)
    again = await get(frames, "1", OCTETS, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert archive.calls["frames"] == 1


async def test_a_replaced_instance_has_another_etag() -> None:
    archive = MemoryArchive([ct_slice()])
    frames = Frames(archive, DirectCompute())
    before = (await get(frames, "1")).headers["etag"]
    archive.put(ct_slice(seed=1))
    told = await get(frames, "1", if_none_match=before)
    assert told.status == 200
    assert told.headers["etag"] != before


async def test_etags_tell_frames_and_representations_apart() -> None:
    frames = service(native_frames(3))
    tags = [(await get(frames, n, a)).headers["etag"] for n in ("1", "2") for a in (OHIF, OCTETS)]
    assert len(set(tags)) == 4
    assert [tag.startswith("W/") for tag in tags] == [True, False] * 2


BIG = "multipart/related; type=application/octet-stream"


async def test_big_endian_frames_are_swapped_unless_asked_for_as_stored() -> None:
    frames = service(ct_slice(transfer_syntax=EXPLICIT_BIG))
    (swapped,) = (await get(frames, "1", BIG)).parts()
    (stored,) = (await get(frames, "1", OHIF)).parts()
    assert (swapped.data, swapped.content_type[-len(EXPLICIT_LITTLE) :]) == (pixels(32), EXPLICIT_LITTLE)
    assert stored.data == b"".join(pixels(32)[n : n + 2][::-1] for n in range(0, 32, 2))
    assert stored.content_type.endswith(EXPLICIT_BIG)


async def test_frames_of_an_implicit_data_set_are_those_of_an_explicit_one() -> None:
    (part,) = (await get(service(ct_slice(transfer_syntax=IMPLICIT_LITTLE)), "1", BIG)).parts()
    assert (part.data, part.content_type[-len(EXPLICIT_LITTLE) :]) == (pixels(32), EXPLICIT_LITTLE)


def big_endian(value: bytes, *, vr: str, word: int, bits: int, frames: int, side: int) -> bytes:
    """A file whose pixel data, in little endian, are `value`."""
    data_set = make_data_set(**image_attributes(side, side, bits=bits, frames=frames))
    turned = b"".join(value[n : n + word][::-1] for n in range(0, len(value), word))
    data_set.add_new(0x7FE00010, vr, turned)
    assert encode(data_set, EXPLICIT_BIG).endswith(turned)
    return to_file(data_set, EXPLICIT_BIG)


@pytest.mark.parametrize(
    ("vr", "bits", "word"), [("OW", 16, 2), ("OW", 32, 4), ("OB", 8, 1), ("OW", 8, 2)], ids=str
)
async def test_each_frame_of_a_big_endian_image_is_swapped_by_its_samples(vr: str, bits: int, word: int) -> None:
    # frames of 9 samples: in OW of 8 bits the second one begins within a word
    value = pixels(4 * 9 * bits // 8)
    frames = service(big_endian(value, vr=vr, word=word, bits=bits, frames=4, side=3))
    length = 9 * bits // 8
    for number in (1, 2, 4):
        told = await get(frames, str(number), OCTETS)
        assert told.body == value[(number - 1) * length : number * length]


async def test_bits_of_a_big_endian_segmentation_are_cut_out_of_whole_words() -> None:
    value = bytes([0b10110101, 0b00000001, 0b11001010, 0b00000111])
    frames = service(big_endian(value, vr="OW", word=2, bits=1, frames=3, side=3))
    bits = int.from_bytes(value, "little")
    for number in (1, 2, 3):
        expected = (bits >> 9 * (number - 1) & 0x1FF).to_bytes(2, "little")
        assert (await get(frames, str(number), OCTETS)).body == expected


async def test_a_frame_beyond_the_last_is_404_also_where_words_are_cut() -> None:
    frames = service(big_endian(pixels(16), vr="OW", word=2, bits=8, frames=1, side=4))
    assert (await get(frames, "2", OCTETS)).status == 404
