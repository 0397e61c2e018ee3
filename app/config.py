"""The settings: one structure from which the settings file, environment, flags, help and docs all come.

A setting has one name, written four ways:

    structure   limits.body_bytes
    TOML file   [limits]  body_bytes = "10 GB"
    environment DICOMLAKE_LIMITS_BODY_BYTES=10GB
    flag        --limits-body-bytes 10GB

Flags win over the environment, the environment over the file, the file over the default. `app/sources.py`
reads the four; here stands only what they are. Secrets have no flag, since everybody can list processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")

MOST_WORKERS = 64
"""Processes of one server."""


def setting(
    default: Value, help: str, *, unit: str = "", secret: bool = False, choices: tuple[str, ...] = ()
) -> Value:
    """A field of the settings: its default and what a reader must know of it.

    With `unit` "bytes" a value may be written as `10 GB` or `64 MiB`. Typed as its value, as
    `dataclasses.field` is.
    """
    about: dict[str, Any] = {"help": help, "unit": unit, "secret": secret, "choices": choices}
    made: Any = field(default=default, metadata=about)
    value: Value = made
    return value


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the bucket is, if the store is one; credentials come the usual AWS ways."""

    endpoint: str = setting("", "URL of an S3-compatible service; empty: as the AWS variables say, or AWS")
    region: str = setting("", "region of the bucket; empty: as the AWS variables say")


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who may use the archive."""

    users: tuple[str, ...] = setting(
        (),
        "users for HTTP Basic, each `name:hash` as `dicomlake hash-password` prints it; "
        "a plain `name:password` is taken from the environment only",
        secret=True,
    )
    tokens: tuple[str, ...] = setting((), "bearer tokens, each `name:token`", secret=True)
    admins: tuple[str, ...] = setting(
        (), "names of the users and tokens that are administrators: they may use `/sql`"
    )


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How the web server meets browsers and proxies."""

    allowed_hosts: tuple[str, ...] = setting(
        (),
        "names by which clients may call this server, besides loopback, this machine's name, IP addresses and the "
        "host of public_url; `*` allows any (see README: DNS rebinding)",
    )
    cors_origins: tuple[str, ...] = setting(
        ("*",), "origins whose pages may read (GET, HEAD, searches); `*` is any, an empty list none"
    )
    cors_write_origins: tuple[str, ...] = setting(
        (), "origins whose pages may store and delete, such as `https://viewer.example.org`"
    )
    tls_certificate: str = setting("", "PEM file of the server's certificate chain; with tls_key, serve HTTPS")
    tls_key: str = setting("", "PEM file of the certificate's private key")
    compression: bool = setting(True, "send text as gzip or zstd to clients that accept it; pixel data never")


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds that protect the server."""

    body_bytes: int = setting(64 << 30, "largest request body", unit="bytes")
    parts: int = setting(100_000, "most parts or zip entries in one store request", unit="parts")
    part_header_bytes: int = setting(16 << 10, "longest header of one part", unit="bytes")
    metadata_bytes: int = setting(64 << 20, "most JSON or XML in one store request", unit="bytes")
    bulk_bytes: int = setting(256 << 20, "most bulk data beside JSON or XML in one store request", unit="bytes")
    zip_ratio: int = setting(200, "most bytes that a byte of a zip or deflated data set may become", unit="times")
    header_bytes: int = setting(64 << 20, "largest DICOM header, bulk values apart", unit="bytes")
    nesting: int = setting(64, "deepest nesting of sequences", unit="levels")
    elements: int = setting(2_000_000, "most elements in one header, all depths together", unit="elements")
    fragments: int = setting(5_000_000, "most fragments of one compressed value", unit="fragments")
    max_studies: int = setting(5_000, "studies in one search answer, whatever is asked for", unit="studies")
    max_series: int = setting(5_000, "series in one search answer", unit="series")
    max_instances: int = setting(50_000, "instances in one search answer", unit="instances")
    query_keys: int = setting(100, "query parameters of one search", unit="parameters")
    query_values: int = setting(5_000, "values of one list in a search", unit="values")
    search_headers: int = setting(
        50_000, "headers read by one search for attributes without a column", unit="headers"
    )
    search_seconds: float = setting(10.0, "time of one search for attributes without a column", unit="seconds")
    past_versions: int = setting(200_000, "versions one search as of a revision looks at", unit="versions")
    frame_list: int = setting(10_000, "frame numbers in one request", unit="frames")
    parallel_requests: int = setting(256, "requests at work at one time; more are told 503", unit="requests")
    request_head_bytes: int = setting(64 << 10, "longest request line, and longest header field", unit="bytes")
    idle_seconds: float = setting(75.0, "a connection without a request is closed after this", unit="seconds")
    stall_seconds: float = setting(60.0, "a client that neither sends nor takes is dropped after", unit="seconds")


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Memory and disk used to be quick."""

    metadata_bytes: int = setting(64 << 20, "memory for metadata answers", unit="bytes")
    frame_index_bytes: int = setting(32 << 20, "memory for frame indexes", unit="bytes")
    intake_bytes: int = setting(96 << 20, "memory for instances being stored; senders wait beyond", unit="bytes")
    header_bytes: int = setting(2 << 30, "disk for headers, compressed, that searches read", unit="bytes")
    inflated_bytes: int = setting(1 << 30, "disk for inflated copies of deflated objects", unit="bytes")


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """What converting and rendering pixels may cost, and how pictures come out where nobody says how."""

    memory_bytes: int = setting(64 << 20, "memory for converted frames and pictures", unit="bytes")
    disk_bytes: int = setting(
        2 << 30, "disk for converted frames and pictures, in the node's folder; 0 for none", unit="bytes"
    )
    frame_pixels: int = setting(100_000_000, "most pixels of a frame that is decoded", unit="pixels")
    viewport_pixels: int = setting(36_000_000, "most pixels of a viewport", unit="pixels")
    jpeg_quality: int = setting(90, "quality of JPEG where the client names none, 1 to 100")
    thumbnail_side: int = setting(
        256, "longest side of a thumbnail where the client names no viewport", unit="pixels"
    )
    animation_frames: int = setting(2_000, "most frames of one GIF or MP4", unit="frames")
    animation_bytes: int = setting(384 << 20, "most bytes of all pictures of one GIF or MP4", unit="bytes")
    intake_bytes: int = setting(
        64 << 20,
        "largest instance that intake_transcoding converts, as it comes and uncompressed; larger ones are kept",
        unit="bytes",
    )


@dataclass(frozen=True, slots=True)
class ViewerSettings:
    """The web viewers that `dicomlake viewers install` fetches."""

    folder: str = setting(
        "", "folder of the installed viewers, for all archives of this machine; empty: in the user's data folder"
    )
    registry: str = setting(
        "", "package registry they are fetched from; empty: the one npm is set up for, or NPM_CONFIG_REGISTRY"
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the program says."""

    level: str = setting("info", "least severe message written", choices=("debug", "info", "warning", "error"))
    format: str = setting("text", "one line a message, or one JSON object", choices=("text", "json"))
    access: bool = setting(True, "write a line for every request, without patient data")
    uids: bool = setting(
        False, "name study, series and instance UIDs in the lines of requests and in messages about an instance"
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    store: str = setting("./dicomlake-data", "the archive: a folder, or s3://BUCKET/PREFIX")
    node_dir: str = setting(
        "",
        "folder of what this node keeps for itself; empty: `.node` in a local store, else in the user's cache",
    )
    host: str = setting("127.0.0.1", "address to listen on; any but a loopback one needs users or tokens")
    http_port: int = setting(8042, "port of the web server; 0 takes a free one", unit="port")
    dicom_port: int = setting(4242, "port of the DIMSE door, which does not exist yet; 0 is off", unit="port")
    workers: int = setting(
        1, "processes that serve, each with memory of its own; 0: one for each processor", unit="processes"
    )
    allow_anonymous: bool = setting(False, "serve anybody on an address that is not loopback, without credentials")
    trusted_proxies: tuple[str, ...] = setting(
        (), "addresses or networks whose Forwarded and X-Forwarded-* headers are believed"
    )
    public_url: str = setting("", "the archive's URL as clients see it; empty: made from each request")
    url_prefix: str = setting("", "path under which a proxy shows this server, such as `/pacs`")
    duplicates: str = setting(
        "replace",
        "other bytes for a known instance: become current, are kept beside it, or are refused",
        choices=("replace", "keep", "reject"),
    )
    extra_columns: tuple[str, ...] = setting(
        (), "attributes beyond the usual ones that are searched often, by keyword or tag; filled in the background"
    )
    default_transfer_syntax: str = setting(
        "standard",
        "pixels for clients that name no transfer syntax: Explicit VR Little Endian as PS3.18 8.7.3 has it, or as "
        "stored",
        choices=("standard", "stored"),
    )
    intake_transcoding: tuple[str, ...] = setting(
        (),
        "what new instances are turned into, without loss: entries such as `CT=htj2k-lossless` by modality, SOP "
        "Class UID or `*`; the closest one counts, what has none is kept as it comes (see Storing smaller)",
    )
    retention_days: float = setting(30.0, "how long the bytes of what was removed or replaced stay", unit="days")
    scrub_days: float = setting(
        0.0, "read every object again after so many days, to see that it is what was stored; 0: never", unit="days"
    )
    scrub_rate: float = setting(20.0, "how fast that is done, in MB a second; 0: as fast as it goes")
    sql: bool = setting(
        False, "open `/sql` to everybody on this machine, where nobody has to log in and no proxy stands before it"
    )
    s3: S3Settings = field(default_factory=S3Settings, metadata={"help": "The bucket"})
    auth: AuthSettings = field(default_factory=AuthSettings, metadata={"help": "Users and tokens"})
    web: WebSettings = field(default_factory=WebSettings, metadata={"help": "Browsers and proxies"})
    limits: LimitSettings = field(default_factory=LimitSettings, metadata={"help": "Limits"})
    cache: CacheSettings = field(default_factory=CacheSettings, metadata={"help": "Caches"})
    pixels: PixelSettings = field(default_factory=PixelSettings, metadata={"help": "Pixels"})
    viewers: ViewerSettings = field(default_factory=ViewerSettings, metadata={"help": "Viewers"})
    log: LogSettings = field(default_factory=LogSettings, metadata={"help": "Messages"})
