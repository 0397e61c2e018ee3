"""Encapsulated STL and OBJ meshes (PS3.3 A.85): given as stored, or drawn shaded as seen from ahead and above.

    binary STL:  | 80 bytes header | number of facets, 32 bit | facet | facet | ...
    facet:       | normal, 3 floats | 3 corners of 3 floats | 2 bytes attributes |         50 bytes, little endian

Facets are drawn from the farthest to the nearest, brighter the more they face the light. Very fine meshes are
thinned out, since facets of less than a pixel cannot be told apart anyway.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dicomweb.model.counting import counted
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import bulk_path, integer, text
from dicomweb.pixels.objects.canvas import GROUND, Canvas, canvas_size, corner_text
from dicomweb.pixels.objects.contract import ANY_PICTURE, BulkNeed, Needs, Portrait, PortraitRequest, Source
from dicomweb.pixels.objects.document import DOCUMENT, document_bytes
from dicomweb.pixels.objects.facts import summary_of

_SIDE = 512
_MOST_BYTES = 32 << 20
"""Of a mesh that is drawn; longer ones get a card."""
_MOST_TEXT = 8 << 20
"""The same of meshes in text."""
_MOST_FACETS = 60_000
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_LIGHT = np.array((0.35, -0.75, 0.56))
_BASE = np.array((196, 176, 150))
"""Colour of a facet that faces the light."""


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The mesh; not those that are too large to be drawn, if only a picture is wanted."""
    path = bulk_path(header, DOCUMENT)
    if not path or (media_type == ANY_PICTURE and integer(header, "00420015") > _MOST_BYTES):
        return Needs()
    return Needs((BulkNeed(path, _MOST_BYTES if media_type == ANY_PICTURE else None),))


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """The stored bytes, or the mesh drawn. Raises ValueError if there are no facets in it."""
    data = document_bytes(header, source, wanted.transfer_syntax)
    if media_type != ANY_PICTURE:
        return Portrait(media_type, data)
    corners = facets_of(data)
    picture = draw_mesh(corners, *canvas_size(wanted.settings, default=(_SIDE, _SIDE)))
    canvas = Canvas.over(picture)
    if canvas.width >= 192:
        summary = summary_of(header)
        corner_text(canvas, [text(header, "00420010") or summary.title, counted(len(corners), "facet")])
    return canvas.picture()


def facets_of(data: bytes) -> npt.NDArray[np.float64]:
    """The corners of all facets of an STL (binary or text) or OBJ mesh, (facets, 3, 3)."""
    count = int.from_bytes(data[80:84], "little")
    if len(data) >= 84 and count and len(data) >= 84 + 50 * count:
        found = np.frombuffer(data, _FACET, count, 84)["corners"].astype(np.float64)
    elif len(data) > _MOST_TEXT:
        raise ValueError("a mesh of more text than is drawn")
    elif data.lstrip()[:5].lower() == b"solid":
        words = data.split()
        places = [place for place, word in enumerate(words) if word.lower() == b"vertex"]
        numbers = [[float(one) for one in words[place + 1 : place + 4]] for place in places]
        found = np.array(numbers[: len(numbers) // 3 * 3]).reshape(-1, 3, 3)
    else:
        found = _object_facets(data)
    found = found[np.isfinite(found).all(axis=(1, 2))]
    if not len(found):
        raise ValueError("a mesh without facets")
    return found


def _object_facets(data: bytes) -> npt.NDArray[np.float64]:
    """Faces of a Wavefront OBJ, polygons as fans of triangles."""
    corners: list[list[float]] = []
    facets: list[tuple[int, int, int]] = []
    for line in data.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == b"v":
            corners.append([float(one) for one in words[1:4]])
        elif len(words) >= 4 and words[0] == b"f":
            named = [int(one.split(b"/")[0]) for one in words[1:]]
            # 1-based, or counted from the last corner so far where negative
            places = [one - 1 if one > 0 else len(corners) + one for one in named]
            facets += [(places[0], second, third) for second, third in pairwise(places[1:])]
    every = np.array(corners).reshape(-1, 3)
    chosen = np.array(facets, np.int64).reshape(-1, 3)
    inside = ((chosen >= 0) & (chosen < len(every))).all(axis=1) if len(chosen) else np.zeros(0, bool)
    return np.asarray(every[chosen[inside]], np.float64)


def draw_mesh(corners: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.uint8]:
    """The mesh in parallel projection on dark ground, (height, width, 3)."""
    if len(corners) > _MOST_FACETS:
        corners = corners[:: -(-len(corners) // _MOST_FACETS)]
    # patient coordinates: x to the left, y to the back, z to the head; turned a little, seen from ahead
    turn, tilt = np.radians(28), np.radians(18)
    around = np.array(((np.cos(turn), -np.sin(turn), 0), (np.sin(turn), np.cos(turn), 0), (0, 0, 1)))
    nod = np.array(((1, 0, 0), (0, np.cos(tilt), -np.sin(tilt)), (0, np.sin(tilt), np.cos(tilt))))
    seen = corners @ (nod @ around).T
    normals = np.cross(seen[:, 1] - seen[:, 0], seen[:, 2] - seen[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(lengths > 0, lengths, 1)
    normals[normals[:, 1] > 0] *= -1  # both sides of a facet are lit
    light = np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1) * 0.85 + 0.15
    flat = seen[..., (0, 2)] * (1.0, -1.0)
    low, extent = flat.min(axis=(0, 1)), np.maximum(np.ptp(flat, axis=(0, 1)), 1e-9)
    size = np.array((width, height))
    scale = (size * 0.86 / extent).min()
    placed = (flat - low) * scale + (size - extent * scale) / 2
    image = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(image)
    colours = np.rint(light[:, None] * _BASE).astype(int)
    for place in np.argsort(-seen[..., 1].mean(axis=1)):
        red, green, blue = colours[place].tolist()
        pen.polygon(placed[place].ravel().tolist(), fill=(red, green, blue))
    return np.array(image, dtype=np.uint8)
