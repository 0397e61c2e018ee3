"""Damaged frames of every kind, decoded in a process of its own: native code that crashes takes no test run along.

    python -m tests.dicomweb.pixels.mutations SEED COUNT

prints one JSON object: how often what came out, the longest time in seconds, the memory taken on the way.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import imagecodecs
import numpy as np

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.codecs.codestream import Samples
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.frame import PixelError
from tests.dicomweb.pixels.test_decode import rle, spec_of

MEMORY_BYTES = 3 << 30
JPEG = "1.2.840.10008.1.2.4."

_rows, _columns = np.mgrid[0:64, 0:80]
GREY8 = ((_rows * 2 + _columns * 3 + _rows * _columns % 7) % 256).astype(np.uint8)
GREY12 = ((_rows * 20 + _columns * 37) % 4096).astype(np.uint16)
GREY16 = ((_rows * 2011 + _columns * 377) % 65536).astype(np.uint16)
GREY32 = GREY16.astype(np.uint32) * 30000
COLOUR = np.stack([GREY8, GREY8[::-1], 255 - GREY8], axis=-1)

KINDS: Mapping[str, tuple[str, Samples, Callable[[], bytes]]] = {
    "jpeg": (JPEG + "50", GREY8, lambda: imagecodecs.jpeg8_encode(GREY8, 90)),
    "jpeg colour": (JPEG + "50", COLOUR, lambda: imagecodecs.jpeg8_encode(COLOUR, 90)),
    "jpeg 12 bits": (JPEG + "51", GREY12, lambda: imagecodecs.jpeg8_encode(GREY12, 90, bitspersample=12)),
    "lossless": (JPEG + "70", GREY16, lambda: imagecodecs.jpeg8_encode(GREY16, lossless=True, predictor=1)),
    "lossless colour": (JPEG + "57", COLOUR, lambda: imagecodecs.jpeg8_encode(COLOUR, lossless=True, predictor=5)),
    "jpeg-ls": (JPEG + "80", GREY16, lambda: imagecodecs.jpegls_encode(GREY16)),
    "jpeg-ls colour": (JPEG + "80", COLOUR, lambda: imagecodecs.jpegls_encode(COLOUR)),
    "jpeg 2000": (JPEG + "90", GREY16, lambda: _jpeg_2000(GREY16, "j2k")),
    "jpeg 2000 colour": (JPEG + "90", COLOUR, lambda: _jpeg_2000(COLOUR, "j2k")),
    "jp2 file": (JPEG + "90", GREY16, lambda: _jpeg_2000(GREY16, "jp2")),
    "htj2k": (JPEG + "201", GREY16, lambda: imagecodecs.htj2k_encode(GREY16, reversible=True)),
    "htj2k colour": (JPEG + "201", COLOUR, lambda: imagecodecs.htj2k_encode(COLOUR, reversible=True)),
    "htj2k tiles": (
        JPEG + "202",
        GREY16,
        lambda: imagecodecs.htj2k_encode(GREY16, reversible=True, tile=(32, 32)),
    ),
    "htj2k 32 bits": (JPEG + "201", GREY32, lambda: imagecodecs.htj2k_encode(GREY32, reversible=True)),
    "jpeg xl": (JPEG + "110", GREY16, lambda: imagecodecs.jpegxl_encode(GREY16, lossless=True)),
    "jpeg xl lossy": (JPEG + "112", COLOUR, lambda: imagecodecs.jpegxl_encode(COLOUR, distance=1.0)),
    "jpeg xl of jpeg": (
        JPEG + "111",
        COLOUR,
        lambda: imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(COLOUR, 90)),
    ),
    "rle": ("1.2.840.10008.1.2.5", GREY16, lambda: rle(GREY16)),
}
"""Transfer syntax, samples, and how they are encoded."""


def _jpeg_2000(array: Samples, form: str) -> bytes:
    return imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat=form)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The data with something wrong: bits, bytes, the header, a gap, a piece moved, the end."""
    changed = bytearray(data)
    way = chance.choice(("bits", "bits", "bytes", "header", "gap", "move", "end"))
    if way == "bits":
        for _ in range(chance.choice((1, 1, 3, 20))):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    elif way in ("bytes", "header"):
        for _ in range(chance.choice((1, 2, 5))):
            at = chance.randrange(len(changed) if way == "bytes" else min(160, len(changed)))
            changed[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    elif way == "gap":
        at = chance.randrange(len(changed))
        del changed[at : at + chance.randrange(1, 40)]
    elif way == "move":
        to, of = chance.randrange(len(changed)), chance.randrange(len(changed))
        changed[to : to + 30] = changed[of : of + 30]
    else:
        del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def outcome(data: bytes, spec: ImageSpec, syntax: str) -> str:
    """Name of the class of what is raised, or `decoded`."""
    try:
        array = decode_frame(data, spec, syntax).array
    except PixelError as error:
        return type(error).__name__
    except Exception as error:  # whatever else comes is what this looks for
        return f"escaped: {error!r}"
    right = array.shape[:2] == (spec.rows, spec.columns) and array.itemsize * 8 == spec.bits_allocated
    return "decoded" if right else "escaped: another shape"


def main(seed: int, count: int) -> None:
    """Decode `count` damaged frames of each kind."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    chance, outcomes, longest = random.Random(seed), Counter[str](), 0.0
    for syntax, array, encode in KINDS.values():
        data, spec = encode(), spec_of(array)
        for _ in range(count):
            damaged = mutated(data, chance)
            begin = time.process_time()
            outcomes[outcome(damaged, spec, syntax)] += 1
            longest = max(longest, time.process_time() - begin)
    # not getrusage: its peak is that of the process that started this one, if that was larger
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    taken = int(line.split()[1]) << 10
    print(json.dumps({"outcomes": outcomes, "longest": longest, "memory": taken}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
