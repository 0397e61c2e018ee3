"""How to reach a bucket. Free of any S3 library, so that reading settings costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class S3Settings:
    """A bucket, a prefix in it, and the way there; what is empty comes from the usual AWS places.

    Those are the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, ...), the shared configuration
    files, and the credentials of the container or machine.
    """

    bucket: str = ""
    """Name of the bucket."""
    prefix: str = ""
    """What every key of the archive begins with, without slashes at its ends; empty for the whole bucket."""
    endpoint_url: str = ""
    """Where the store answers, if it is not AWS."""
    region: str = ""
    """Region of the bucket."""
    profile: str = ""
    """Profile in the shared configuration files."""
    access_key_id: str = ""
    """Access key; together with the secret, instead of the usual places."""
    secret_access_key: str = ""
    """Secret of the access key."""
    session_token: str = ""
    """Token of temporary credentials."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Bucket in the path or in the host name; auto is the path wherever an endpoint is given."""
    sign_payload: Literal["auto", "always", "never"] = "auto"
    """Whether the bytes sent are part of the signature; auto: over plain HTTP only, where nothing else
    protects them."""
    ca_bundle: str = ""
    """File of certificates to trust, instead of the usual ones."""
    connect_timeout: float = 5.0
    """Seconds to wait for a connection."""
    read_timeout: float = 30.0
    """Seconds to wait for the next byte of an answer."""
    max_connections: int = 64
    """Connections open at a time."""
    attempts: int = 5
    """How often an operation is tried that may be repeated."""

    def __repr__(self) -> str:
        """Without the secrets: settings end up in logs."""
        return f"S3Settings(bucket={self.bucket!r}, prefix={self.prefix!r}, endpoint_url={self.endpoint_url!r})"
