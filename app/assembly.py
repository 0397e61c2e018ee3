"""The one place where parts meet: from settings to an open archive, from an archive to a web application.

    settings → store → archive → services → doors → front → application

Nothing else constructs what storage is made of. Whatever is opened here is closed here, in reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from aiohttp import web

from app.about import NAME, version
from app.compute import ThreadCompute
from app.config import Settings
from app.node import claim, node_name, while_sole
from app.place import node_dir as node_dir
from app.place import store_address as store_address
from app.presence import NoArchive, check_writable, has_archive, make_folder
from app.sql import SqlAsked, described_views
from app.storage_metrics import (
    UsageSamples,
    conversion_samples,
    derived_samples,
    node_samples,
    scrub_samples,
    store_samples,
)
from app.telemetry import Telemetry
from app.ui.door import UiDoor
from app.ui.facts import Facts
from app.ui.openers import Opener
from app.values import ConfigError
from app.viewers.door import ViewersDoor
from app.viewers.links import links_of
from app.viewers.pins import CODECS
from app.viewers.shelf import Shelf, chosen_folder
from app.web.doors import Ending, SystemDoor
from app.web.front import Front
from app.web.hosts import is_loopback
from app.web.mount import access_log, make_doors, make_front, make_proxies, make_sql_door, mounted
from app.web.starting import STARTING, Starting
from app.workers_seat import Worker
from dicomweb.encoding.head import HeadLimits
from dicomweb.model.tags import tag_of
from dicomweb.pixels.limits import PixelLimits
from dicomweb.ports import Archive, Compute, DerivedCache
from dicomweb.services.as_of import AsOf
from dicomweb.services.bulkdata import BulkData
from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.capabilities import Capabilities
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.frames import Frames
from dicomweb.services.handler import Handler, Service
from dicomweb.services.history import History
from dicomweb.services.intake_policy import read_policy
from dicomweb.services.intake_transcoder import PolicyTranscoder
from dicomweb.services.labels import Labelling, LabelReading
from dicomweb.services.limits import Limits
from dicomweb.services.metadata import Metadata
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.qido import Search
from dicomweb.services.removal import Removals, Undeletes
from dicomweb.services.rendered import Rendered
from dicomweb.services.stow import Store
from dicomweb.services.studio import Studio
from dicomweb.services.thumbnails import Thumbnails
from dicomweb.services.wado import Retrieval
from dicomweb.services.wado_uri import WadoUri
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.catalog.settings import CatalogSettings
from storage.derived.cache import TieredCache
from storage.log.checkpoint import Checkpoint
from storage.objects.address import Address, Folder, Memory, located, open_store
from storage.objects.checks import require_creates
from storage.objects.contract import ObjectStore
from storage.objects.counting import CountingStore, Counts
from storage.upkeep.attendance import Attendance
from storage.upkeep.background import Upkeep, UpkeepSettings

_PAST_METADATA_BYTES = 8 << 20
"""Memory for metadata of one revision of the past that is being looked at."""
ARCHIVE = web.AppKey("archive", LakeArchive)
DERIVED = web.AppKey("derived", TieredCache)
FRONT = web.AppKey("front", Front)
NEW = web.AppKey("new", bool)
"""Whether the archive was begun at this start."""


@dataclasses.dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive in use, and what has been asked of its store."""

    archive: LakeArchive
    counts: Counts
    new: bool
    """Whether it was begun just now."""


@contextlib.asynccontextmanager
async def open_archive(
    settings: Settings,
    *,
    beside: str = "",
    begin: bool = False,
    worker: Worker | None = None,
    told: Callable[[str], None] | None = None,
) -> AsyncIterator[OpenArchive]:
    """The archive of the settings; a new one where there is none, but only if it may `begin` one.

    A command that may run while a server does names a folder `beside` it within the node folder, for a node of its
    own. `told` is told how far a long start is. Raises ConfigError (NoArchive), NodeDirTaken, NodeDirUnusable, and
    what the store raises.
    """
    address = store_address(settings)
    there = await has_archive(address, open_store)
    if not there and not begin:
        raise NoArchive(settings.store)
    if isinstance(address, Folder) and not there:
        make_folder(address.path)
    if begin:
        await check_store(settings.store, address)
    bare = open_store(address)
    with claim(node_dir(settings) / beside) as folder:
        async with CountingStore(bare) as store, intake_transcoder(settings) as transcoder:
            archive = LakeArchive(
                store,
                node=node_name(worker.seat.number if worker else 0),
                node_dir=folder,
                settings=archive_settings(settings),
                checkpoint=Checkpoint(store, located(address, bare), index_file=folder / "studies.npz"),
                transcoder=transcoder,
                siblings=worker,
                told=told,
            )
            async with archive:
                yield OpenArchive(archive, store.counts, new=not there)


async def check_store(store: str, address: Address) -> None:
    """See that a store honours what an archive is built on, before anything is made in it.

    Raises ConfigError and the store's errors.
    """
    if isinstance(address, Folder):
        check_writable(address.path)
    elif not isinstance(address, Memory):
        async with open_store(address) as bucket:
            await require_creates(bucket, store)


@contextlib.asynccontextmanager
async def intake_transcoder(settings: Settings) -> AsyncIterator[PolicyTranscoder | None]:
    """What turns new instances into another transfer syntax, with threads of its own; None if nothing is to be."""
    policy = read_policy(settings.intake_transcoding)
    if not policy:
        yield None
        return
    async with ThreadCompute() as compute:
        limits = archive_settings(settings).limits
        yield PolicyTranscoder(policy, compute, most_bytes=settings.pixels.intake_bytes, limits=limits)


@contextlib.asynccontextmanager
async def keep_up(
    archive: LakeArchive, settings: Settings, worker: Worker | None = None
) -> AsyncIterator[Upkeep | None]:
    """Fold the log, end retention, sweep orphans and scrub for as long as this lasts; of workers one does it."""
    if archive.checkpoint is None:
        yield None
        return
    chosen = UpkeepSettings(
        retention_days=settings.retention_days, scrub_days=settings.scrub_days, scrub_rate=settings.scrub_rate
    )
    upkeep = Upkeep(archive, archive.checkpoint, chosen)
    if worker is None:
        async with upkeep:
            yield upkeep
        return
    turn = asyncio.create_task(while_sole(node_dir(settings).parent / "upkeep", upkeep))
    try:
        yield upkeep
    finally:
        turn.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await turn


def derived_cache(settings: Settings) -> TieredCache:
    """The cache of converted frames and pictures, to be opened; in the node folder, which must be claimed."""
    pixels = settings.pixels
    folder = node_dir(settings) / "derived"
    return TieredCache(folder, memory_bytes=pixels.memory_bytes, disk_bytes=pixels.disk_bytes)


def bare_store(address: Address) -> ObjectStore:
    """A store without an archive on it."""
    return open_store(address)


def archive_settings(settings: Settings) -> ArchiveSettings:
    """What the archive is to know of the settings."""
    limits, cache = settings.limits, settings.cache
    return ArchiveSettings(
        duplicates=Duplicates(settings.duplicates),
        limits=HeadLimits(
            header_bytes=limits.header_bytes,
            depth=limits.nesting,
            elements=limits.elements,
            fragments=limits.fragments,
            inflate_ratio=limits.zip_ratio,
        ),
        catalog=CatalogSettings(
            header_bytes=cache.header_bytes,
            slow_rows=limits.search_headers,
            slow_seconds=limits.search_seconds,
            past_rows=limits.past_versions,
            extra_columns=extra_columns(settings),
        ),
        conversion_bytes=settings.pixels.intake_bytes,
        name_uids=settings.log.uids,
        budget_bytes=cache.intake_bytes,
        frame_index_bytes=cache.frame_index_bytes,
        inflated_bytes=cache.inflated_bytes,
    )


def extra_columns(settings: Settings) -> tuple[str, ...]:
    """The tags of the attributes to be made searchable. Raises ConfigError."""
    tags: list[str] = []
    for name in settings.extra_columns:
        tag = name.upper() if re.fullmatch(r"[0-9A-Fa-f]{8}", name) else tag_of(name)
        if tag is None:
            raise ConfigError(f"extra_columns: {name!r} is neither a keyword of DICOM nor a tag such as 00181030")
        tags.append(tag)
    return tuple(dict.fromkeys(tags))


def service_limits(settings: Settings) -> Limits:
    """What the DICOMweb services are to know of the settings: each bound is a setting of the same name."""
    return Limits(**{bound.name: getattr(settings.limits, bound.name) for bound in dataclasses.fields(Limits)})


def picture_limits(settings: Settings) -> PictureLimits:
    """What rendering is to know of the settings: each bound is a setting of the same name."""
    return PictureLimits(
        **{bound.name: getattr(settings.pixels, bound.name) for bound in dataclasses.fields(PictureLimits)}
    )


def pixel_limits(settings: Settings) -> PixelLimits:
    """What a frame may take in memory: three samples of 16 bits a pixel, and something over."""
    return PixelLimits(frame_bytes=8 * settings.pixels.frame_pixels)


def service_handlers(
    archive: LakeArchive, compute: Compute, settings: Settings, derived: DerivedCache | None = None
) -> dict[str, Handler]:
    """The handlers of all DICOMweb services by operation. Without `derived`, pictures are kept in memory alone."""
    kept = derived or ByteCache(settings.pixels.memory_bytes)

    def then(past: Archive) -> dict[str, Handler]:
        return reading_handlers(past, compute, settings, kept, metadata_bytes=_PAST_METADATA_BYTES)

    now = reading_handlers(archive, compute, settings, kept, metadata_bytes=settings.cache.metadata_bytes)
    others = (
        Store(archive, compute, service_limits(settings)),
        Removals(archive),
        Undeletes(archive, archive),
        Labelling(archive),
        History(archive, archive),
        Capabilities(),
    )
    past = AsOf(archive, archive, then)
    return {**past.around({**now, **_by_operation(others)}), **past.handlers()}


def reading_handlers(
    archive: Archive, compute: Compute, settings: Settings, kept: DerivedCache, *, metadata_bytes: int
) -> dict[str, Handler]:
    """The handlers of what searches and retrieves, by operation."""
    limits = service_limits(settings)
    studio = Studio(archive, compute, kept, picture_limits(settings))
    converter = FrameConverter(archive, compute, kept, limits=pixel_limits(settings))
    as_stored = settings.default_transfer_syntax == "stored"
    retrieval = Retrieval(archive, compute, converter=converter, as_stored=as_stored)
    services = (
        Search(archive, limits),
        LabelReading(archive),
        retrieval,
        Metadata(archive, compute, cache_bytes=metadata_bytes, compression=settings.web.compression),
        BulkData(archive, compute, converter=converter, as_stored=as_stored),
        Frames(archive, compute, limits, converter=converter, as_stored=as_stored),
        Rendered(studio, limits),
        Thumbnails(studio, limits),
        WadoUri(studio, retrieval.retrieve_instance),
    )
    return _by_operation(services)


def _by_operation(services: Sequence[Service]) -> dict[str, Handler]:
    return {operation: handler for service in services for operation, handler in service.handlers().items()}


async def count_stored(archive: LakeArchive) -> dict[str, int]:
    """How many studies, series and instances there are."""
    await archive.catalog.flush()
    found = await archive.catalog.statistics()
    return {"studies": found.studies, "series": found.series, "instances": found.instances}


def check_access(settings: Settings) -> None:
    """Refuse to be open to a network without knowing who asks. Raises ConfigError."""
    if not (is_loopback(settings.host) or settings.auth.users or settings.auth.tokens or settings.allow_anonymous):
        raise ConfigError(
            f"{settings.host} can be reached from other machines: set auth.users or auth.tokens, "
            "or say --allow-anonymous"
        )


def viewer_openers(shelf: Shelf) -> list[Opener]:
    """The installed viewers as the explorer offers them."""
    return [
        Opener(
            id=link.id,
            name=f"{link.name} {link.mode}".rstrip(),
            study=link.study,
            series=link.series,
            modalities=tuple(sorted({modality for entry in link.needs for modality in entry})),
        )
        for link in links_of(shelf.installed())
    ]


def codecs_folder(shelf: Shelf) -> str:
    """Where the quick viewer's codecs lie, below the server's address; empty if they are not installed."""
    found = shelf.installed().get(CODECS.viewer)
    return f"{found.viewer}/{found.release}/" if found else ""


def build_application(settings: Settings, worker: Worker | None = None) -> web.Application:
    """The web application: opening it opens the archive. `worker` if it is one of several. Raises ConfigError."""
    check_access(settings)
    proxies = make_proxies(settings)
    telemetry = Telemetry(worker.labels if worker else ())
    starting = Starting()

    async def archive_context(application: web.Application) -> AsyncIterator[None]:
        async with (
            open_archive(settings, begin=True, worker=worker, told=starting.say) as opened,
            keep_up(opened.archive, settings, worker) as upkeep,
            derived_cache(settings) as derived,
            UsageSamples(opened.archive.catalog.usage) as usage,
            Attendance(opened.archive.store, node=opened.archive.node, release=version()),
        ):
            application[ARCHIVE] = opened.archive
            application[DERIVED] = derived
            application[NEW] = opened.new
            telemetry.add_source(lambda: store_samples(opened.counts))
            telemetry.add_source(lambda: derived_samples(derived))
            telemetry.add_source(lambda: conversion_samples(opened.archive.conversions))
            telemetry.add_source(lambda: scrub_samples(upkeep.scrub.state if upkeep else None))
            telemetry.add_source(lambda: node_samples(opened.archive))
            telemetry.add_source(usage)
            yield

    async def front_context(application: web.Application) -> AsyncIterator[None]:
        archive = application[ARCHIVE]
        ending = Ending()
        about = {"name": NAME, "version": version(), **dict(worker.labels if worker else ())}
        system = SystemDoor(
            health=archive.health,
            telemetry=telemetry,
            about=about,
            metrics=partial(worker.metrics_of_all, telemetry.text) if worker else None,
            ending=ending,
        )
        shelf = Shelf(chosen_folder(settings.viewers.folder))
        viewers = ViewersDoor(shelf)
        explorer = UiDoor(
            Facts(archive, settings, counts=lambda: count_stored(archive), about=about),
            partial(viewer_openers, shelf),
            version=version(),
            codecs=partial(codecs_folder, shelf),
        )
        async with ThreadCompute() as compute, access_log(settings, worker.seat.number if worker else 0) as access:
            handlers = service_handlers(archive, compute, settings, application[DERIVED])
            sql = make_sql_door(settings, SqlAsked(archive.catalog.sql), described_views())
            doors = make_doors(handlers, system, {"sql": sql, "ui": explorer, **viewers.mounts()})
            application[FRONT] = make_front(settings, doors, ending, proxies, compute, telemetry, access)
            yield

    application = mounted(lambda: application[FRONT])
    application[STARTING] = starting
    application.cleanup_ctx.extend([archive_context, front_context])
    return application
