"""A bucket of S3 or of anything that speaks it (R2, MinIO): listing, conditional reads, streaming.

Credentials come from AWS's standard chain (environment, profile, role of the machine) and are never
stored. Source of behaviour: Amazon S3 API reference (ListObjectsV2, GetObject with If-Match and Range);
Cloudflare R2, "S3 API compatibility".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingestion.cache import FileCache
from ingestion.core.delivery import SourceError
from ingestion.locations.base import (
    Advance,
    ChangedUnderneathError,
    Entry,
    Passed,
    SourceUnavailableError,
    UnreadableNowError,
)

_CHUNK = 4 << 20
_TRIES = 6
_MAX_KEY = 1024  # what S3 allows
_MOST_REMOVED = 1000  # per request, says S3
_LEVELS = 3
"""Folders of so many levels may be passed by; what lies deeper is listed whole, without a request a folder."""
_READING = "s3:ListBucket on the bucket and s3:GetObject on its objects"
_GONE = {"NoSuchKey", "404", "NotFound"}
_DENIED = {"AccessDenied", "403", "AllAccessDisabled", "Forbidden"}
_WRONG_KEYS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
}


class S3Location:
    """``s3://bucket/prefix``; entries' keys are relative to the prefix, their mark is the ETag."""

    is_overwritten_by_hand = False

    def __init__(
        self,
        url: str,
        *,
        endpoint_url: str,
        cache: FileCache,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        self.text = url
        self.bucket = parts.netloc
        prefix = parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint_url
        self._cache = cache
        self._sleep = sleep
        if not self.bucket or "@" in self.bucket or parts.query or parts.fragment:
            msg = f"{url}: this is no bucket with a prefix, as in s3://acme-billing/cur."
            raise SourceUnavailableError(msg)

    @cached_property
    def client(self) -> Any:
        """boto3's client, made on first use: it reads the credentials chain."""
        from boto3.session import Session  # noqa: PLC0415  # half a second that only S3 needs
        from botocore.config import Config  # noqa: PLC0415

        # A session of its own: the shared one is not safe among threads and keeps old credentials.
        return Session().client(
            "s3",
            endpoint_url=self._endpoint or None,
            config=Config(
                retries={"mode": "standard", "max_attempts": _TRIES},
                connect_timeout=10,
                read_timeout=60,
                s3={"addressing_style": "path" if self._endpoint else "auto"},
                # Stores other than AWS refuse the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def entries(self, *, deep: bool = True, passed: Passed | None = None) -> Iterator[Entry]:
        """Every object below the prefix, listed page by page."""
        levels = _LEVELS if passed and deep else 0
        with self._sentences():
            yield from self._below("", deep=deep, levels=levels, passed=passed or (lambda _: False))

    def _below(self, folder: str, *, deep: bool, levels: int, passed: Passed) -> Iterator[Entry]:
        """The objects of a folder; of its first ``levels`` levels each folder is asked for."""
        options = {"Bucket": self.bucket, "Prefix": self._prefix + folder}
        if levels or not deep:
            options["Delimiter"] = "/"
        for page in self.client.get_paginator("list_objects_v2").paginate(**options):
            objects = {one["Key"]: one for one in page.get("Contents", ())}
            folders = [one["Prefix"] for one in page.get("CommonPrefixes", ())] if levels else []
            for whole in sorted([*objects, *folders]):
                key = whole.removeprefix(self._prefix)
                found = objects.get(whole)
                if found is None:
                    if not passed(key.rstrip("/")):
                        yield from self._below(key, deep=deep, levels=levels - 1, passed=passed)
                elif key and not key.endswith("/"):
                    yield Entry(key, int(found["Size"]), found["ETag"])

    def entry(self, key: str) -> Entry | None:
        """The object as it is now."""
        about = None
        with self._sentences(key, gone_is_none=True):
            about = self.client.head_object(Bucket=self.bucket, Key=self._whole(key))
        return Entry(key, int(about["ContentLength"]), about["ETag"]) if about else None

    def read(self, entry: Entry, limit: int) -> bytes:
        """The bytes of a small object, as they were listed. Raises ``SourceError``."""
        if entry.size > limit:
            msg = f"{entry.key} is larger than any manifest."
            raise SourceError(msg)
        return b"".join(self.chunks(entry, 0))

    @contextmanager
    def held(self, entry: Entry, advance: Advance) -> Iterator[Path]:
        """The object's bytes in the local cache, downloaded where they are not there yet."""
        whole = self._whole(entry.key)
        self._refuse_missing(entry)
        name = f"{self._endpoint}\n{self.bucket}\n{whole}\n{entry.mark}\n{entry.size}"
        with self._cache.held(
            name,
            entry.size,
            entry.key,
            lambda start: self.chunks(entry, start),
            advance,
        ) as path:
            yield path

    @contextmanager
    def passing(self, entry: Entry, advance: Advance) -> Iterator[Path]:
        """The object's bytes, past the cache."""
        self._refuse_missing(entry)
        chunks = partial(self.chunks, entry)
        with self._cache.passing(entry.size, entry.key, chunks, advance) as path:
            yield path

    def _refuse_missing(self, entry: Entry) -> None:
        if not entry.mark:
            raise self._refusal("NoSuchKey", entry.key)

    def upload(self, key: str, path: Path) -> None:
        """Store the file under ``key``, in parts where it is large. Raises ``SourceError``."""
        with self._sentences(key, needed="s3:PutObject"):
            self.client.upload_file(str(path), self.bucket, self._whole(key))

    def remove(self, keys: Sequence[str]) -> None:
        """Remove these objects; one that is not there is no error. Raises ``SourceError``."""
        for at in range(0, len(keys), _MOST_REMOVED):
            some = [{"Key": self._whole(key)} for key in keys[at : at + _MOST_REMOVED]]
            with self._sentences(needed="s3:DeleteObject"):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": some, "Quiet": True}
                )
            for left in answer.get("Errors", ()):
                raise self._refusal(str(left.get("Code", "")), left["Key"], "s3:DeleteObject")

    def written(self) -> Iterator[tuple[str, datetime]]:
        """Every object below the prefix, with when it was last written (UTC)."""
        with self._sentences():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix), found["LastModified"]

    def _whole(self, key: str) -> str:
        whole = self._prefix + key
        parts = key.split("/")
        if not key.isprintable() or any(part in {"", ".", ".."} for part in parts):
            msg = f"{key!r} is not a plain key: refused."
            raise SourceError(msg)
        if len(whole.encode()) > _MAX_KEY:
            msg = f"{key[:80]!r}… is longer than any key of S3: refused."
            raise SourceError(msg)
        return whole

    def chunks(self, entry: Entry, start: int) -> Iterator[bytes]:
        """The object's bytes from ``start`` on; a broken connection is taken up where it broke."""
        from botocore import exceptions as aws  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        broken = (
            aws.HTTPClientError,
            aws.IncompleteReadError,
            HTTPError,
            ConnectionError,
            TimeoutError,
        )
        at, tries = start, 0
        while at < entry.size:
            try:
                with self._sentences(entry.key):
                    answer = self.client.get_object(
                        Bucket=self.bucket,
                        Key=self._whole(entry.key),
                        IfMatch=entry.mark,
                        **({"Range": f"bytes={at}-"} if at else {}),
                    )
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    at += len(chunk)
                    tries = 0
                    yield chunk
                if at < entry.size:
                    raise aws.IncompleteReadError(actual_bytes=at, expected_bytes=entry.size)
            except broken as error:
                tries += 1
                if tries >= _TRIES:
                    msg = (
                        f"{entry.key}: the connection broke {tries} times at byte {at} of "
                        f"{entry.size} ({type(error).__name__}). Load again later."
                    )
                    raise SourceUnavailableError(msg) from None
                self._sleep(min(0.2 * 2**tries, 10))

    @contextmanager
    def _sentences(
        self, key: str = "", *, gone_is_none: bool = False, needed: str = _READING
    ) -> Iterator[None]:
        """What boto3 raises, as one sentence that says what to do."""
        from boto3 import exceptions as boto3_errors  # noqa: PLC0415
        from botocore import exceptions as aws  # noqa: PLC0415

        try:
            yield
        except aws.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if gone_is_none and code in _GONE:
                return
            raise self._refusal(code, key, needed) from None
        except (boto3_errors.S3UploadFailedError, boto3_errors.S3TransferFailedError) as error:
            code = next((code for code in _DENIED if code in str(error)), "")
            raise self._refusal(code, key, needed) from None
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError):
            msg = (
                f"{self.text}: no AWS credentials were found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY, or give this machine a role."
            )
            raise SourceUnavailableError(msg) from None
        except (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError):
            where = self._endpoint or "AWS"
            msg = f"{self.text}: {where} does not answer. Check the endpoint and the network."
            raise SourceUnavailableError(msg) from None
        except (aws.ParamValidationError, aws.ProfileNotFound, ValueError) as error:
            reason = str(error).replace("\n", " ")[:200]
            msg = f"{self.text}: S3 cannot be asked this ({reason})."
            raise SourceUnavailableError(msg) from None

    def _refusal(self, code: str, key: str, needed: str = _READING) -> SourceError:
        place = f"{self.text.rstrip('/')}/{key}" if key else self.text
        if code in {"PreconditionFailed", "412"}:
            return ChangedUnderneathError(
                f"{key}: the object changed while it was read. Load again."
            )
        if code == "NoSuchBucket":
            return SourceUnavailableError(
                f"{self.text}: there is no such bucket. Check the name and the endpoint."
            )
        if code in _GONE:
            return UnreadableNowError(
                f"{key}: the object is missing; the manifest names it. Deliver it, then load again."
            )
        if code in _DENIED:
            return SourceUnavailableError(
                f"{place}: access is denied. The credentials need {needed}."
            )
        if code in _WRONG_KEYS:
            return SourceUnavailableError(
                f"{self.text}: the AWS credentials are not valid ({code}). Renew them, then load again."
            )
        return SourceUnavailableError(
            f"{place}: the store refused with {code or 'no code'}. Load again later."
        )
