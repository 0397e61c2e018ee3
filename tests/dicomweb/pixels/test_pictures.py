from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageSequence

from dicomweb.pixels.animations import write_animation
from dicomweb.pixels.frame import Picture, TooLarge, UnsupportedSyntax
from dicomweb.pixels.pictures import PICTURE_TYPES, write_picture
from dicomweb.pixels.render.icc import grey_profile, space_profile


def smooth(
    rows: int = 60, columns: int = 90, *, colour: bool = False, phase: float = 0.0
) -> npt.NDArray[np.uint8]:
    """Gentle waves, which no lossy codec minds."""
    down, across = np.mgrid[0:rows, 0:columns]
    waves = [127 + 100 * np.sin(across / 17 + phase + shift) * np.cos(down / 13) for shift in (0, 1, 2)]
    array = np.stack(waves, axis=2) if colour else waves[0]
    return np.ascontiguousarray(array.astype(np.uint8))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    error = float(np.mean((one.astype(float) - other) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("colour", [False, True])
def test_png_loses_nothing(colour: bool) -> None:
    array = smooth(colour=colour)
    image = opened(write_picture(Picture(array), "image/png"))
    assert image.format == "PNG"
    assert np.array_equal(np.asarray(image), array)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("quality", "least"), [(100, 45), (90, 40), (50, 32)])
def test_jpeg_is_as_good_as_it_is_asked_to_be(colour: bool, quality: int, least: float) -> None:
    array = smooth(colour=colour)
    image = opened(write_picture(Picture(array), "image/jpeg", quality=quality))
    assert (image.format, image.mode) == ("JPEG", "RGB" if colour else "L")
    assert psnr(np.asarray(image), array) > least


def test_less_quality_is_fewer_bytes() -> None:
    noise = Picture(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    sizes = [len(write_picture(noise, "image/jpeg", quality=quality)) for quality in (-5, 1, 30, 60, 90, 100, 500)]
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[1]
    assert sizes[-1] == sizes[-2]


def test_jp2_of_full_quality_loses_nothing() -> None:
    array = smooth(colour=True)
    assert np.array_equal(np.asarray(opened(write_picture(Picture(array), "image/jp2", quality=100))), array)
    assert psnr(np.asarray(opened(write_picture(Picture(array), "image/jp2", quality=80))), array) > 40


def test_gif_of_greys_loses_nothing_and_of_colours_little() -> None:
    array = smooth()
    assert np.array_equal(np.asarray(opened(write_picture(Picture(array), "image/gif")).convert("L")), array)
    colours = smooth(colour=True)
    image = opened(write_picture(Picture(colours), "image/gif")).convert("RGB")
    assert psnr(np.asarray(image), colours) > 25


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
@pytest.mark.parametrize(
    ("colour", "profile"), [(True, space_profile("adobergb")), (False, grey_profile("srgb"))], ids=["rgb", "grey"]
)
def test_the_profile_is_in_the_file_and_the_pixels_are_the_same(
    media_type: str, colour: bool, profile: bytes
) -> None:
    array = smooth(colour=colour)
    image = opened(write_picture(Picture(array, profile), media_type))
    assert image.info["icc_profile"] == profile
    without = opened(write_picture(Picture(array), media_type))
    assert "icc_profile" not in without.info
    assert np.array_equal(np.asarray(image), np.asarray(without))


def test_a_profile_of_several_segments_is_joined_again() -> None:
    profile = space_profile("adobergb") + bytes(range(256)) * 800
    image = opened(write_picture(Picture(smooth(colour=True), profile), "image/jpeg"))
    assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("media_type", PICTURE_TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 1), (2, 7, 3)])
def test_the_smallest_pictures_are_written(media_type: str, shape: tuple[int, ...]) -> None:
    image = opened(write_picture(Picture(np.full(shape, 200, np.uint8)), media_type))
    assert image.size == (shape[1], shape[0])


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif"])
def test_the_same_picture_is_the_same_file(media_type: str) -> None:
    picture = Picture(smooth(colour=True))
    assert write_picture(picture, media_type) == write_picture(picture, media_type)


def test_views_of_other_arrays_are_written_as_they_look() -> None:
    array = smooth(colour=True)
    flipped = Picture(array[:, ::-1])
    assert np.array_equal(np.asarray(opened(write_picture(flipped, "image/png"))), array[:, ::-1])


def test_other_media_types_and_sides_are_refused() -> None:
    with pytest.raises(UnsupportedSyntax, match="image/bmp"):
        write_picture(Picture(smooth()), "image/bmp")
    with pytest.raises(UnsupportedSyntax, match="video/webm"):
        write_animation([Picture(smooth())], "video/webm", frames_per_second=10)
    with pytest.raises(TooLarge, match="65501 x 1"):
        write_picture(Picture(np.zeros((1, 65_501), np.uint8)), "image/jpeg")


def film(frames: int, *, colour: bool = False, rows: int = 60, columns: int = 90) -> list[Picture]:
    return [Picture(smooth(rows, columns, colour=colour, phase=number * 0.7)) for number in range(frames)]


@pytest.mark.parametrize("colour", [False, True])
def test_an_animated_gif_shows_all_frames_for_their_time_and_begins_again(colour: bool) -> None:
    pictures = film(5, colour=colour)
    image = opened(write_animation(pictures, "image/gif", frames_per_second=8))
    assert (image.format, getattr(image, "n_frames", 0), image.info["loop"]) == ("GIF", 5, 0)
    for picture, frame in zip(pictures, ImageSequence.Iterator(image), strict=True):
        assert frame.info["duration"] == 120
        assert psnr(np.asarray(frame.convert("RGB" if colour else "L")), picture.array) > 25


def test_frames_that_are_alike_are_not_lost_from_a_gif() -> None:
    still = [film(1)[0]] * 3
    image = opened(write_animation(still, "image/gif", frames_per_second=10))
    assert sum(frame.info["duration"] for frame in ImageSequence.Iterator(image)) == 300


def decoded(data: bytes) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(60, 90), (61, 91)])
def test_a_video_shows_all_frames(colour: bool, rows: int, columns: int) -> None:
    pictures = film(6, colour=colour, rows=rows, columns=columns)
    frames = list(decoded(write_animation(pictures, "video/mp4", frames_per_second=12.5)))
    assert len(frames) == 6
    for picture, frame in zip(pictures, frames, strict=True):
        shown = picture.array if colour else np.repeat(picture.array[:, :, np.newaxis], 3, axis=2)
        assert frame.shape == (rows + rows % 2, columns + columns % 2, 3)
        assert psnr(frame[:rows, :columns], shown) > 30


def test_a_video_can_begin_before_all_of_it_is_there_and_has_its_rate() -> None:
    data = write_animation(film(4), "video/mp4", frames_per_second=7.5)
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.video[0].average_rate
    assert rate is not None
    assert float(rate) == pytest.approx(7.5)


def test_a_video_of_less_quality_is_fewer_bytes() -> None:
    pictures = [Picture(np.random.default_rng(n).integers(0, 256, (64, 64)).astype(np.uint8)) for n in range(3)]
    small, large = (len(write_animation(pictures, "video/mp4", frames_per_second=5, quality=q)) for q in (20, 95))
    assert small < large / 1.5


@pytest.mark.parametrize("media_type", ["image/gif", "video/mp4"])
def test_pictures_of_several_sizes_and_none_at_all_are_no_animation(media_type: str) -> None:
    with pytest.raises(UnsupportedSyntax, match="sizes"):
        write_animation([*film(1), *film(1, rows=10)], media_type, frames_per_second=5)
    with pytest.raises(UnsupportedSyntax, match="no pictures"):
        write_animation([], media_type, frames_per_second=5)


def test_pictures_are_taken_one_by_one() -> None:
    alive: list[int] = []

    def made() -> Iterator[Picture]:
        for number, picture in enumerate(film(20)):
            alive.append(number)
            yield picture

    assert write_animation(made(), "video/mp4", frames_per_second=5)
    assert alive == list(range(20))


@pytest.mark.parametrize("media_type", ["image/gif", "video/mp4"])
@pytest.mark.parametrize("colours", [(False, True, False), (True, False, True)])
def test_frames_of_greys_and_of_colours_follow_one_another(media_type: str, colours: tuple[bool, ...]) -> None:
    # a presentation state may draw in colour on some frames only
    arrays = [smooth(colour=colour, phase=at) for at, colour in enumerate(colours)]
    data = write_animation([Picture(array) for array in arrays], media_type, frames_per_second=5)

    with av.open(io.BytesIO(data)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for found, array in zip(shown, arrays, strict=True):
        assert psnr(found, array if array.ndim == 3 else np.repeat(array[:, :, np.newaxis], 3, axis=2)) > 24


@pytest.mark.parametrize(("rows", "columns"), [(20_000, 20), (20, 16_386), (16_000, 16_000)])
def test_films_that_no_encoder_takes_are_refused(rows: int, columns: int) -> None:
    flat = np.broadcast_to(np.zeros(1, np.uint8), (rows, columns))
    with pytest.raises(TooLarge):
        write_animation([Picture(flat)] * 2, "video/mp4", frames_per_second=5)


def test_an_animation_that_gif_cannot_say_is_refused() -> None:
    with pytest.raises(TooLarge):
        write_animation([Picture(np.zeros((1, 65_536), np.uint8))] * 2, "image/gif", frames_per_second=5)
