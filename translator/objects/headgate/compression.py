"""The unit `compression` of TrafficPolicies."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StringConstraints

from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import MEDIA_TYPE

Library = Literal["Gzip", "Brotli", "Zstd"]
Libraries = Annotated[
    tuple[Library, ...], Field(min_length=1, max_length=3), unique(None, "is in the list already: remove it")
]

MediaType = Annotated[str, StringConstraints(min_length=3, max_length=127, pattern=MEDIA_TYPE)]


class ResponseCompression(Disableable):
    """Compresses responses for clients that accept it (`Accept-Encoding`)."""

    libraries: Libraries | None = None
    """How: Gzip, Brotli, Zstd. Of those that a client likes equally, Zstd comes first, then Brotli. By default Gzip."""
    min_content_length: Annotated[StrictInt, Field(ge=1, le=2**32 - 1)] | None = None
    """The length in bytes from which responses are compressed. By default 30."""
    content_types: (
        Annotated[
            tuple[MediaType, ...], Field(min_length=1, max_length=64), unique(None, "is in the list already: remove it")
        ]
        | None
    ) = None
    """The media types that are compressed. By default those of text, scripts, JSON, XML and SVG."""
    etag: Literal["Remove", "Weaken", "Skip"] | None = None
    """What becomes of a strong ETag, which is for the bytes that were not compressed: Remove, Weaken (`W/"…"`), or Skip
    for not compressing the response. Weak ones stay. By default Remove."""
    level: Annotated[StrictInt, Field(ge=1, le=9)] | None = None
    """From 1, the fastest, to 9, the smallest, as each library counts them. By default what the library takes for
    best."""


class RequestDecompression(Disableable):
    """Decompresses the bodies of requests (`Content-Encoding`) before filters and backends see them.

    A body that is not what it says, or that becomes more than 100 times as long, is cut off at that point.
    """

    libraries: Libraries | None = None
    """Which encodings: Gzip, Brotli, Zstd. By default Gzip."""


class Compression(Fields):
    """Compression of responses, and decompression of requests."""

    response_compression: Annotated[
        ResponseCompression | None, Doc(envoy="CompressorPerRoute, or a whole Compressor")
    ] = None
    """Compresses responses for clients that accept it."""
    request_decompression: Annotated[RequestDecompression | None, Doc(envoy="Decompressor")] = None
    """Decompresses the bodies of requests before filters and backends see them."""
