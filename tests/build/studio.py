"""The services that show pictures, on an archive in memory, and pictures looked at."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.handler import Handler
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.rendered import Rendered
from dicomweb.services.studio import Studio
from dicomweb.services.thumbnails import Thumbnails
from dicomweb.services.wado import Retrieval
from dicomweb.services.wado_uri import WadoUri
from tests.build.compute import DirectCompute
from tests.build.memory_archive import MemoryArchive
from tests.build.web import Told, ask


@dataclass
class Gallery:
    """All of them, and what they made use of."""

    archive: MemoryArchive
    limits: PictureLimits = field(default_factory=PictureLimits)
    compute: DirectCompute = field(default_factory=DirectCompute)
    handlers: Mapping[str, Handler] = field(init=False)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Services that remember nothing, as after a restart."""
        studio = Studio(self.archive, self.compute, ByteCache(1 << 24), self.limits)
        retrieval = Retrieval(self.archive, self.compute)
        services = Rendered(studio), Thumbnails(studio), WadoUri(studio, retrieval.retrieve_instance)
        self.handlers = {name: each for service in services for name, each in service.handlers().items()}

    async def get(self, path: str, accept: str = "image/jpeg", **headers: str) -> Told:
        """The answer to a GET."""
        return await ask(self.handlers, path, accept=accept, **headers)


def gallery(*files: bytes, limits: PictureLimits | None = None) -> Gallery:
    """The services on these files."""
    return Gallery(MemoryArchive(files), limits or PictureLimits())


def look_at(data: bytes) -> Image.Image:
    """A picture file, opened."""
    return Image.open(io.BytesIO(data))


def greys(data: bytes) -> npt.NDArray[np.uint8]:
    """The samples of a picture file, of its first frame."""
    return np.asarray(look_at(data))
