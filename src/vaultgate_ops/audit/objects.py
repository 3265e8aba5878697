"""Rotated audit files as S3 objects: their bytes, decompressed, and how far each of them is mirrored.

Rules: an object is streamed, never held as a whole. Its progress is a small object under a prefix of its own, written only
where nobody else wrote meanwhile (If-None-Match, If-Match): two deliveries of one event can't both work on it, and one that
died is taken over when its time is up.

Sources: "How to prevent object overwrites with conditional writes" of the Amazon S3 user guide; RFC 1952 (a gzip file may have
several members).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.exceptions import ClientError

from vaultgate_ops.audit.model import HEAD_BYTES

if TYPE_CHECKING:
    from typing import BinaryIO

_GZIP = b"\x1f\x8b"
_SKIP_BYTES = 1024 * 1024
_TAKEN = frozenset(("PreconditionFailed", "ConditionalRequestConflict"))


class Source(NamedTuple):
    """An object as an event names it.

    Attributes:
        bucket, key: its name.
        etag: of its content, so that another content of the same name is another object.
    """

    bucket: str
    key: str
    etag: str


class ObjectReader:
    """An object's bytes, decompressed where it is gzipped. Forwards is cheap; backwards begins again.

    Args:
        client: of S3.
        source: the object.
    """

    def __init__(self, client: Any, source: Source) -> None:
        self._client, self._source = client, source
        # Not by a range: an empty object has none.
        with closing(self._get("")) as body:
            self._zipped = body.read(len(_GZIP)) == _GZIP
        self._stream: BinaryIO | None = None
        self._place = 0

    def beginning(self) -> bytes:
        """The first bytes, as many as tell a file from another."""
        return self.pread(0, HEAD_BYTES)

    def pread(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``start``; fewer only at the end.

        Raises:
            OSError: it can't be read.
        """
        if self._stream is None or self._place > start or (self._place < start and not self._zipped):
            self._open(start)
        while self._place < start:
            skipped = self._take(min(_SKIP_BYTES, start - self._place))
            if not skipped:
                return b""
        return self._take(length)

    def close(self) -> None:
        """Let go of the connection."""
        if self._stream is not None:
            self._stream.close()

    def _take(self, length: int) -> bytes:
        pieces: list[bytes] = []
        while length and self._stream is not None and (piece := self._stream.read(length)):
            pieces.append(piece)
            length -= len(piece)
            self._place += len(piece)
        return b"".join(pieces)

    def _open(self, start: int) -> None:
        self.close()
        if self._zipped:
            self._stream, self._place = cast("BinaryIO", gzip.GzipFile(fileobj=self._get(""))), 0
            return
        try:
            self._stream, self._place = self._get(f"bytes={start}-"), start
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidRange":
                raise OSError(f"s3://{self._source.bucket}/{self._source.key}: {error}") from error
            self._stream, self._place = None, start

    def _get(self, bytes_range: str) -> Any:
        wanted = {"Range": bytes_range} if bytes_range else {}
        named = {"Bucket": self._source.bucket, "Key": self._source.key}
        return self._client.get_object(**named, **({"IfMatch": self._source.etag} if self._source.etag else {}), **wanted)["Body"]


@dataclass(frozen=True)
class Progress:
    """How far an object is mirrored.

    Attributes:
        offset, lines, chain: as in `model.Position`.
        done: all of it is.
        until_s: somebody works on it until then, seconds since 1970; 0 for nobody.
    """

    offset: int = 0
    lines: int = 0
    chain: str = ""
    done: bool = False
    until_s: float = 0.0


class ProgressFile:
    """An object's progress in S3.

    Args:
        client: of S3.
        bucket, prefix: where it is kept.
        source: the object it is about.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, source: Source) -> None:
        self._client, self._bucket = client, bucket
        name = hashlib.sha256(f"{source.bucket}/{source.key}/{source.etag}".encode()).hexdigest()
        self._key = f"{prefix}{name}.json"
        self._etag: str | None = None
        self._saved = Progress()

    def load(self) -> Progress:
        """What is kept; the beginning where nothing is."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            self._etag = None
            return Progress()
        self._etag = answer["ETag"]
        with closing(answer["Body"]) as body:
            self._saved = Progress(**json.loads(body.read()))
        return self._saved

    def save(self, progress: Progress) -> bool:
        """Write it; False where somebody else wrote since it was loaded."""
        condition = {"IfNoneMatch": "*"} if self._etag is None else {"IfMatch": self._etag}
        content = json.dumps(asdict(progress)).encode()
        try:
            self._etag = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=content, **condition)["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        self._saved = progress
        return True

    def release(self) -> None:
        """Nobody works on it any more; it stays where it was last saved."""
        self.save(replace(self._saved, until_s=0.0))
