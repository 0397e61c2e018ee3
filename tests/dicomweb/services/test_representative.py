"""Which image stands for a study or series."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from dicomweb.services.representative import Representatives
from dicomweb.services.sights import Sights, frames_per_second, representative_frame
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, make_file, native_frames, segmentation, slide_level, uid
from tests.build.memory_archive import MemoryArchive

STUDY = Scope(uid("study"))
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def chooser(archive: MemoryArchive) -> Representatives:
    return Representatives(archive, Sights(archive, DirectCompute()))


async def chosen(*files: bytes, scope: Scope = STUDY) -> Instance:
    archive = MemoryArchive(files)
    found = await chooser(archive).of(scope)
    assert not archive.calls["read"] + archive.calls["frames"] + archive.calls["bulk"], "objects were opened"
    return found


def stack(series: str, number: int | None, count: int = 5, **attributes: Any) -> list[bytes]:
    return [
        ct_slice(series=series, instance=f"{series}-{n}", InstanceNumber=n, SeriesNumber=number, **attributes)
        for n in range(1, count + 1)
    ]


async def test_of_a_series_it_is_the_middle_image() -> None:
    found = await chosen(*stack("ct", 1), scope=Scope(uid("study"), uid("ct")))
    assert found.key.instance == uid("ct-3")


async def test_of_a_series_what_has_no_pixels_does_not_count() -> None:
    reports = [make_file(series="ct", instance=f"sr{n}", SOPClassUID=SR) for n in range(9)]
    found = await chosen(*stack("ct", 1, 3), *reports, scope=Scope(uid("study"), uid("ct")))
    assert found.key.instance == uid("ct-2")


async def test_of_a_study_it_is_the_first_series_by_its_number() -> None:
    found = await chosen(*stack("a", 7), *stack("b", 2), *stack("c", None))
    assert found.key.instance == uid("b-3")


async def test_localizers_come_last() -> None:
    found = await chosen(*stack("scout", 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), *stack("axial", 2))
    assert found.key.series == uid("axial")


async def test_images_come_before_segmentations_and_those_before_reports() -> None:
    seg = segmentation(3, series="seg", instance="seg", SeriesNumber=1)
    report = make_file(series="sr", instance="sr", SOPClassUID=SR, SeriesNumber=0)
    assert (await chosen(seg, report, *stack("ct", 9))).key.series == uid("ct")
    assert (await chosen(seg, report)).key.series == uid("seg")
    assert (await chosen(report)).key.series == uid("sr")


async def test_of_a_slide_it_is_the_thumbnail_never_the_label() -> None:
    levels = [
        slide_level(9, instance="base", series="sm", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
        slide_level(1, instance="label", series="sm", ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"]),
        slide_level(1, instance="small", series="sm", ImageType=["DERIVED", "PRIMARY", "THUMBNAIL", "RESAMPLED"]),
        slide_level(1, instance="overview", series="sm", ImageType=["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"]),
    ]
    assert (await chosen(*levels)).key.instance == uid("small")


async def test_what_was_chosen_is_remembered_until_something_changes() -> None:
    archive = MemoryArchive(stack("ct", 1))
    choose, series = chooser(archive), Scope(uid("study"), uid("ct"))
    for scope in (series, STUDY, series, STUDY):
        assert (await choose.of(scope)).key.instance == uid("ct-3")
    assert archive.calls["find_instances"] == 2

    for n in range(6, 10):
        archive.put(ct_slice(series="ct", instance=f"ct-{n}", InstanceNumber=n))
    for scope in (series, STUDY):
        assert (await choose.of(scope)).key.instance == uid("ct-5")


async def test_what_is_stored_elsewhere_leaves_a_choice_as_it_is() -> None:
    """While one study comes in, thumbnails of all the others cost no more than before."""
    archive = MemoryArchive(stack("ct", 1))
    choose = chooser(archive)
    chosen = await choose.of(STUDY)
    for n in range(3):
        archive.put(ct_slice(study="other", series="other", instance=f"other-{n}"))
        assert await choose.of(STUDY) is chosen
    assert archive.calls["find_instances"] == 1


async def test_a_replaced_image_is_chosen_in_its_new_version() -> None:
    archive = MemoryArchive(stack("ct", 1, 1))
    choose = chooser(archive)
    before = await choose.of(STUDY)
    replaced = archive.put(ct_slice(series="ct", instance="ct-1", seed=7))
    assert (await choose.of(STUDY)).version == replaced.version != before.version


@pytest.mark.parametrize(
    ("said", "frames", "number"), [(None, 1, 1), (None, 9, 5), (None, 10, 5), (3, 9, 3), (0, 9, 5), (10, 9, 5)]
)
def test_of_many_frames_it_is_the_one_that_is_named_or_the_middle(
    said: int | None, frames: int, number: int
) -> None:
    header = {} if said is None else {"00286010": {"vr": "US", "Value": [said]}}
    assert representative_frame(header, frames) == number


@pytest.mark.parametrize(
    ("attributes", "rate"),
    [
        ({}, 10),
        ({"00181063": 40.0}, 25),
        ({"00180040": 15}, 15),
        ({"00082144": 30, "00180040": 15}, 30),
        ({"00181063": 0}, 10),
        ({"00181063": 0.001}, 60),
        ({"00180040": "fast"}, 10),
    ],
)
def test_a_cine_is_as_fast_as_the_object_says(attributes: dict[str, object], rate: float) -> None:
    assert frames_per_second({tag: {"vr": "IS", "Value": [one]} for tag, one in attributes.items()}) == rate


async def test_pictures_of_a_cine_are_drawn_from_one_header() -> None:
    archive = MemoryArchive([native_frames(5)])
    sights = Sights(archive, DirectCompute())
    instance = await archive.find_instance((await archive.find_instances(STUDY))[0].key)
    for _ in range(3):
        assert (await sights.of(instance)).frames == 5
        await sights.header(instance)
    assert archive.calls["headers"] == 1
