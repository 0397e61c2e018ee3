"""Query parameters of rendered resources and of WADO-URI (PS3.18 8.3.5.1, 9.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from dicomweb.model.keys import IllegalUid
from dicomweb.pixels.render.settings import Region, Viewport, Window
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.rendered_parameters import Look, read_charset, read_look
from dicomweb.services.wado_uri_parameters import WadoQuery, read_wado
from dicomweb.wire.exchange import WebError

LIMITS = PictureLimits()


def look(query: str, *, thumbnail: bool = False) -> Look:
    return read_look(parse_qsl(query, keep_blank_values=True), LIMITS, thumbnail=thumbnail)


def wado(query: str) -> WadoQuery:
    return read_wado(parse_qsl("requestType=WADO&objectUID=1.2&" + query, keep_blank_values=True), LIMITS)


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("window=40,400", Window(40, 400, "linear")),
        ("window=40,400,linear", Window(40, 400, "linear")),
        ("window=40.5,400,linear-exact", Window(40.5, 400, "linear-exact")),
        ("window=40,400,LINEAR_EXACT", Window(40, 400, "linear-exact")),
        ("window=-600,1.6e3,SIGMOID", Window(-600, 1600, "sigmoid")),
        ("window=%2040%20,%20400%20", Window(40, 400, "linear")),
    ],
)
def test_a_window_has_a_function_or_is_linear(query: str, window: Window) -> None:
    assert look(query).settings.window == window


@pytest.mark.parametrize(
    ("query", "viewport"),
    [
        ("viewport=256,256", Viewport(256, 256)),
        ("viewport=256%2C256", Viewport(256, 256)),
        ("viewport=512,512,,,512,512", Viewport(512, 512, Region(0, 0, 512, 512))),
        ("viewport=100,50,10,20,-30.5,40", Viewport(100, 50, Region(10, 20, -30.5, 40))),
        ("viewport=100,50,-10,-20", Viewport(100, 50, Region(10, 20))),
    ],
)
def test_a_viewport_may_leave_out_what_has_a_default(query: str, viewport: Viewport) -> None:
    assert look(query).settings.viewport == viewport


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("window=40", "window is center,width"),
        ("window=", "window is center,width"),
        ("window=40,400,linear,8", "not 4 items"),
        ("window=forty,400", "not a number"),
        ("window=1_0,400", "not a number"),
        ("window=nan,400", "finite"),
        ("window=40,0", "at least 1"),
        ("window=40,0,sigmoid", "more than 0"),
        ("window=40,400,round", "window function"),
        ("viewport=256", "viewport is width,height"),
        ("viewport=256,", "not a whole number"),
        ("viewport=0,256", "at least 1 pixel"),
        ("viewport=25.5,256", "not a whole number"),
        ("viewport=1000000,1000000", "at most"),
        ("viewport=60000,60000", "setting pixels.viewport_pixels"),
        ("viewport=9,9,1,1,0,4", "no width"),
        ("viewport=9,9,1,1,2,3,4", "not 7 items"),
        ("viewport=9,9,1,1,2", "not 5 items"),
        ("viewport=9", "not 1 item"),
        ("viewport=1000000000,1", "at most 65500 pixels a side, not 1000000000"),
        ("viewport=1" + "0" * 30 + ",1", "a number of 31 digits"),
        ("quality=0", "from 1 to 100"),
        ("quality=101", "from 1 to 100"),
        ("quality=best", "not a whole number"),
        ("quality=", "not a whole number"),
        ("annotation=", "patient, technique or both"),
        ("annotation=patient,,", "patient, technique or both"),
        ("iccprofile=purple", "iccprofile is one of"),
        ("window=40,400&window=50,400", "twice"),
    ],
)
def test_what_has_no_meaning_is_refused_with_what_was_expected(query: str, told: str) -> None:
    with pytest.raises(WebError, match=told) as refused:
        look(query)
    assert refused.value.status == 400


def test_unknown_parameters_are_passed_over_and_named_in_a_warning() -> None:
    asked = look("colour=blue&windw=40,400&accept=image/png")

    assert replace(asked, warning="") == look("")
    assert asked.fields() == (
        ("Warning", '299 dicomlake "The following parameters are not supported: colour, windw"'),
    )
    assert look("accept=image/png&asof=7").fields() == ()
    assert wado("asof=7").look.fields() == ()
    assert "not supported: viewport" in wado("viewport=1,2").look.warning


@pytest.mark.parametrize("name", ['a"b', "x\r\nSet-Cookie: y", "ü", "n" * 100])
def test_a_warning_holds_nothing_that_a_header_field_cannot(name: str) -> None:
    ((_, told),) = read_look([(name, "1")], LIMITS).fields()

    assert told == '299 dicomlake "The following parameters are not supported: others"'


def test_unknown_parameters_may_stand_twice_with_two_values() -> None:
    """PS3.18 8.3.2: what is unknown is passed over, also when careless clients write it again."""
    assert look("_=1&_=2").settings == look("").settings
    assert wado("_=1&_=2").look.warning.endswith("not supported: _")


@pytest.mark.parametrize("read", [look, lambda query: wado(query).look])
def test_a_character_set_that_nobody_knows_is_warned_of(read: Callable[[str], Look]) -> None:
    assert read("charset=klingon").warning == "The character set is not known, text is in UTF-8: klingon"
    assert read("charset=klingon,latin1").warning == ""
    assert read("charset=*").warning == ""


def test_unknown_annotations_are_warned_of_and_the_others_obeyed() -> None:
    asked = look("annotation=patient,sparkles")
    assert asked.settings.annotation == {"patient"}
    assert asked.fields() == (
        ("Warning", '299 dicomlake "The following annotation values are not supported: sparkles"'),
    )
    assert look("annotation=patient,technique").fields() == ()


def test_a_warning_holds_nothing_that_could_break_a_header_field() -> None:
    ((_, value),) = look("annotation=%0d%0aSet-Cookie: x,patient").fields()
    assert value.isprintable()
    assert "Set-Cookie" not in value


def test_names_are_taken_in_any_case_and_values_may_stand_twice_if_they_agree() -> None:
    assert look("Window=40,400&window=40,400&QUALITY=50") == look("window=40,400&quality=50")


def test_a_thumbnail_is_small_and_never_enlarged_unless_a_viewport_is_named() -> None:
    side = LIMITS.thumbnail_side
    assert look("", thumbnail=True).settings.viewport == Viewport(side, side, enlarge=False)
    assert look("viewport=512,512", thumbnail=True).settings.viewport == Viewport(512, 512)


def test_requests_that_mean_the_same_have_the_same_text_and_others_another() -> None:
    assert look("window=40,400&annotation=technique,patient").text() == (
        look("annotation=patient,technique&window=40.0,400,linear&x=1").text()
    )
    queries = [
        *("", "window=40,400", "window=40,401", "window=40,400,sigmoid", "viewport=9,9", "viewport=9,8"),
        *("viewport=9,9,1,1", "quality=5", "iccprofile=srgb", "annotation=patient", "charset=latin1"),
    ]
    assert len({look(query).text() for query in queries}) == len(queries)


def test_character_sets_come_by_weight() -> None:
    assert read_charset("utf-8;q=0.5, ISO-8859-1, x;q=0, ascii;q=0.8") == ("iso-8859-1", "ascii", "utf-8")


def test_wado_uri_reads_what_it_names_otherwise() -> None:
    asked = wado(
        "studyUID=1.3&seriesUID=1.4&contentType=image/png,image/jpeg&charset=utf-8&frameNumber=3&rows=20&columns=30"
        "&region=0.25,0.5,0.75,1.0&windowCenter=40&windowWidth=400&imageQuality=70&annotation=patient"
    )
    assert (asked.study, asked.series, asked.instance, asked.frame) == ("1.3", "1.4", "1.2", 3)
    assert asked.content_type == "image/png,image/jpeg"
    settings = asked.look.settings
    assert settings.viewport == Viewport(30, 20, Region(0.25, 0.5, 0.5, 0.5, relative=True))
    assert settings.window == Window(40, 400)
    assert settings.annotation == {"patient"}
    assert (asked.look.quality, asked.look.charset) == (70, ("utf-8",))


def test_wado_uri_names_are_taken_in_any_case() -> None:
    query = [("REQUESTTYPE", "wado"), ("ObjectUid", "1.2"), ("STUDYUID", ""), ("contenttype", "image/png")]
    asked = read_wado(query, LIMITS)
    assert (asked.instance, asked.study, asked.content_type) == ("1.2", "", "image/png")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("windowCenter=40", "go together"),
        ("windowWidth=40", "go together"),
        ("windowCenter=a&windowWidth=4", "windowCenter is a decimal number"),
        ("windowCenter=4&windowWidth=0", "at least 1"),
        ("rows=0&columns=9", "at least 1 pixel"),
        ("rows=x", "rows is a whole number"),
        ("rows=60000&columns=60000", "at most"),
        ("region=0,0,1", "not 3 items"),
        ("region=0,0,2,1", "from 0.0 to 1.0"),
        ("region=0.5,0,0.5,1", "left less than right"),
        ("frameNumber=0", "from 1 on"),
        ("frameNumber=first", "not a whole number"),
        ("imageQuality=200", "1 to 100"),
        ("anonymize=yes", "anonymize is not supported"),
        ("presentationUID=1.5&windowCenter=4&windowWidth=4", "together with presentationUID"),
        ("objectUID=1.3", "twice"),
    ],
)
def test_wado_uri_refuses_what_has_no_meaning(query: str, told: str) -> None:
    with pytest.raises(WebError, match=told) as refused:
        wado(query)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ([], "requestType is missing"),
        ([("requestType", "WADO")], "objectUID.*is missing"),
        ([("objectUID", "1.2")], "requestType is missing"),
        ([("requestType", "FOO"), ("objectUID", "1.2")], "has another value than WADO"),
    ],
)
def test_wado_uri_needs_its_request_type_and_an_object(query: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(WebError, match=said):
        read_wado(query, LIMITS)


def test_wado_uri_refuses_what_is_no_uid() -> None:
    with pytest.raises(IllegalUid):
        wado("studyUID=../x")
