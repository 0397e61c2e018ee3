"""Reading files of the local store. Blocking; called in threads.

A `Reading` keeps its file open, so a reader sees one object to its end although another may have taken the key.
"""

from __future__ import annotations

import os
import threading

from dicomweb.model.ranges import ByteRange
from storage.objects.faults import read_fault

CHUNK = 1 << 20
"""Bytes of a chunk of a stream."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_span(root: str, key: str, span: ByteRange | None) -> bytes:
    """A span of an object, or all of it. Raises StoreError."""
    try:
        descriptor = os.open(f"{root}/{key}", _FLAGS)
        try:
            if span is None or span.length > CHUNK:
                # memory for what is there, not for what was asked
                size = os.fstat(descriptor).st_size
                span = ByteRange(0, size) if span is None else ByteRange(span.start, min(span.end, size))
            return _read(descriptor, span.start, span.length)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise read_fault(key, error) from error


def _read(descriptor: int, start: int, length: int) -> bytes:
    if length <= 0:
        os.pread(descriptor, 0, 0)  # a folder says here that it is one
        return b""
    data = os.pread(descriptor, length, start)
    if len(data) == length or not data:
        return data
    # the end of the object, or a system that reads at most 2 GB at a time
    pieces = [data]
    while data and (length := length - len(data)):
        start += len(data)
        data = os.pread(descriptor, length, start)
        pieces.append(data)
    return b"".join(pieces)


class Reading:
    """An object being read from front to back."""

    def __init__(self, root: str, key: str, span: ByteRange | None) -> None:
        """Open and read the first chunk. Raises StoreError."""
        self._key = key
        self._lock = threading.Lock()
        self._descriptor = -1
        try:
            self._descriptor = os.open(f"{root}/{key}", _FLAGS)
            size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise read_fault(key, error) from error
        self._position = 0 if span is None else span.start
        self._end = size if span is None else min(span.end, size)
        self.first = self.next()
        """The first chunk; empty if there is nothing to read."""

    @property
    def ended(self) -> bool:
        """Whether everything asked for has been read."""
        return self._position >= self._end

    def next(self) -> bytes:
        """The next chunk, empty at the end. Raises StoreError."""
        with self._lock:
            if self._descriptor < 0:
                return b""
            try:
                data = _read(self._descriptor, self._position, min(CHUNK, self._end - self._position))
            except OSError as error:
                raise read_fault(self._key, error) from error
            self._position += len(data)
            return data

    def close(self) -> None:
        """Close the file, once a read that is under way has ended."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def __del__(self) -> None:
        # when the task that asked for the file was cancelled before it had it
        self.close()
