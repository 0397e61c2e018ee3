"""Retrieve capabilities (PS3.18 8.9): what this server can do, from the table of its routes.

As WADL, which the standard asks for, or as JSON with the same content; as WADL for a client that says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from xml.sax.saxutils import escape, quoteattr

import orjson

from dicomweb.services.as_of import PARAMETER, has_past
from dicomweb.services.conditional import CACHE_CONTROL
from dicomweb.services.handler import Handler
from dicomweb.services.sights import PICTURES, VIDEO
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.negotiation import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    JSON,
    ZIP,
    Representation,
    accepted_by,
    choose,
)
from dicomweb.wire.paths import ROUTES, Route
from dicomweb.wire.routing import allowed_methods
from dicomweb.wire.transfer_syntaxes import OCTETS, TRANSFER_SYNTAXES

WADL = "application/vnd.sun.wadl+xml"
_OFFERS = (
    Representation(WADL, False),
    Representation(JSON, False),
    Representation(DICOM_JSON, False),
    Representation("application/xml", False),
    Representation("text/xml", False),
)
_NAMESPACE = "http://wadl.dev.java.net/2009/02"


@dataclass(frozen=True, slots=True)
class _Abilities:
    """What the operations of one service take and give."""

    responses: tuple[str, ...]
    """Media types; `multipart/related; type=...` where parts."""
    requests: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("accept",)
    headers: tuple[str, ...] = ()


def _related(*media: str) -> tuple[str, ...]:
    return tuple(f'multipart/related; type="{name}"' for name in media)


def _pixel_types() -> tuple[str, ...]:
    return tuple(dict.fromkeys(syntax.media_type for syntax in TRANSFER_SYNTAXES.values()))


_CONDITIONAL = ("If-None-Match",)
_RANGED = ("If-None-Match", "Range", "If-Range")
_SEARCH = _Abilities(
    (DICOM_JSON, JSON, *_related(DICOM_XML), "text/csv"),
    parameters=(
        *("accept", "{attributeID}", "includefield", "limit", "offset", "orderby", "search"),
        *("label", "labels-constraint"),
        *("fuzzymatching", "emptyvaluematching", "multiplevaluematching"),
    ),
)
_STORE = _Abilities((DICOM_JSON, JSON, DICOM_XML), requests=(*_related(DICOM, DICOM_JSON, DICOM_XML), DICOM, ZIP))
_RETRIEVE = _Abilities((*_related(DICOM), DICOM, ZIP), headers=_RANGED)
_METADATA = _Abilities((DICOM_JSON, JSON, *_related(DICOM_XML)), headers=_CONDITIONAL)
_FRAMES = _Abilities((*_related(*_pixel_types()), *_pixel_types()), headers=_RANGED)
_BULKDATA = _Abilities((*_related(*_pixel_types()), OCTETS), headers=_RANGED)

_RENDERING = ("accept", "annotation", "charset", "iccprofile", "quality", "viewport", "window")
_TEXTS = ("text/html", "text/plain", "text/xml", "application/pdf")
_RENDERED = _Abilities(
    (*PICTURES, VIDEO, "video/mpeg", *_TEXTS, *_related(*PICTURES)), parameters=_RENDERING, headers=_RANGED
)
_THUMBNAIL = _Abilities(PICTURES, parameters=_RENDERING, headers=_RANGED)
_WADO_URI = _Abilities(
    (*PICTURES, VIDEO, "video/mpeg", *_TEXTS, DICOM),
    parameters=(
        *("requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "transferSyntax"),
        *("frameNumber", "annotation", "rows", "columns", "region", "windowCenter", "windowWidth"),
        *("imageQuality", "presentationSeriesUID", "presentationUID"),
    ),
    headers=_RANGED,
)

_BY_PREFIX: Mapping[str, _Abilities] = {
    "search": _SEARCH,
    "store": _STORE,
    "retrieve": _RETRIEVE,
    "metadata": _METADATA,
    "bulkdata": _BULKDATA,
    "pixeldata": _BULKDATA,
    "frames": _FRAMES,
    "rendered": _RENDERED,
    "thumbnail": _THUMBNAIL,
    "wado": _WADO_URI,
    "delete": _Abilities((), parameters=()),
    "undelete": _Abilities((JSON,), parameters=("revision",)),
    "history": _Abilities((JSON,), parameters=("limit", "before"), headers=_CONDITIONAL),
    "labels": _Abilities((JSON,), parameters=(), headers=_CONDITIONAL),
    "label": _Abilities((JSON,), parameters=()),
    "unlabel": _Abilities((), parameters=()),
    "asof": _Abilities(("*/*",), headers=_RANGED),
    "capabilities": _Abilities((WADL, JSON)),
}
"""By the first word of the operation."""


class Capabilities:
    """`GET /` and `OPTIONS /`."""

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {"capabilities": self.capabilities}

    async def capabilities(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The description, as WADL or JSON."""
        chosen = choose(accepted_by(request), _OFFERS)
        describe = describe_json if chosen.media in (JSON, DICOM_JSON) else describe_wadl
        allowed = allowed_methods(route.method for route in ROUTES if route.template == "/")
        headers = (
            ("Content-Type", chosen.media),
            ("Allow", ", ".join(allowed)),
            ("Vary", "Accept"),
            CACHE_CONTROL,
        )
        return Answer(200, headers, describe(request.root), compressible=True)


def abilities_of(route: Route) -> _Abilities:
    """What the operation of the route takes and gives."""
    able = _BY_PREFIX[route.operation.partition("_")[0]]
    return replace(able, parameters=(*able.parameters, PARAMETER)) if has_past(route) else able


def describe_json(root: str) -> bytes:
    """The description as JSON: one object a resource, its methods within."""
    resources = []
    for template, routes in _by_template().items():
        methods = []
        for route in routes:
            able = abilities_of(route)
            methods.append(
                {
                    "name": route.method,
                    "id": route.operation,
                    "description": route.summary,
                    "section": route.section,
                    "query": able.parameters,
                    "headers": able.headers,
                    "consumes": able.requests,
                    "produces": able.responses,
                }
            )
        resources.append({"path": template, "methods": methods})
    syntaxes = [{"uid": syntax.uid, "name": syntax.name} for syntax in TRANSFER_SYNTAXES.values()]
    return orjson.dumps({"base": root, "resources": resources, "transferSyntaxes": syntaxes})


def describe_wadl(root: str) -> bytes:
    """The description as a WADL document."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<application xmlns="{_NAMESPACE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema">',
        f"<resources base={quoteattr(root)}>",
    ]
    for template, routes in _by_template().items():
        lines.append(f"<resource path={quoteattr(template)}>")
        lines.extend(f'<param name="{name}" style="template" type="xsd:string"/>' for name in _variables(template))
        for route in routes:
            lines.extend(_wadl_method(route))
        lines.append("</resource>")
    lines += ["</resources>", "</application>", ""]
    return "\n".join(lines).encode()


def _wadl_method(route: Route) -> list[str]:
    able = abilities_of(route)
    lines = [f'<method name="{route.method}" id="{route.operation}-{route.method.lower()}">']
    lines += [f"<doc>{escape(route.summary)} (PS3.18 {route.section})</doc>" if route.section != "-" else
              f"<doc>{escape(route.summary)}</doc>"]  # fmt: skip
    lines.append("<request>")
    for style, names in (("query", able.parameters), ("header", able.headers)):
        lines += [f'<param name="{name}" style="{style}" type="xsd:string"/>' for name in names]
    lines += [f"<representation mediaType={quoteattr(media)}/>" for media in able.requests]
    lines += ["</request>", "<response>"]
    lines += [f"<representation mediaType={quoteattr(media)}/>" for media in able.responses]
    return [*lines, "</response>", "</method>"]


@cache
def _by_template() -> Mapping[str, tuple[Route, ...]]:
    grouped: dict[str, tuple[Route, ...]] = {}
    for route in ROUTES:
        grouped[route.template] = (*grouped.get(route.template, ()), route)
    return grouped


def _variables(template: str) -> list[str]:
    return [segment[1:-1] for segment in template.split("/") if segment.startswith("{")]
