"""Compression of responses and decompression of requests: the unit `compression` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.compression.brotli.compressor.v3.brotli_pb2 import Brotli
from headgate_proto.envoy.extensions.compression.brotli.decompressor.v3.brotli_pb2 import Brotli as BrotliDecompressor
from headgate_proto.envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip
from headgate_proto.envoy.extensions.compression.gzip.decompressor.v3.gzip_pb2 import Gzip as GzipDecompressor
from headgate_proto.envoy.extensions.compression.zstd.compressor.v3.zstd_pb2 import Zstd
from headgate_proto.envoy.extensions.compression.zstd.decompressor.v3.zstd_pb2 import Zstd as ZstdDecompressor
from headgate_proto.envoy.extensions.filters.http.compressor.v3.compressor_pb2 import Compressor, CompressorPerRoute
from headgate_proto.envoy.extensions.filters.http.decompressor.v3.decompressor_pb2 import Decompressor
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RuleSetting
from translator.objects.headgate.compression import Compression, Library, RequestDecompression, ResponseCompression
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

NEVER: Final = "headgate.decompress_responses"
"""The key under which Envoy would look for another value than false, in a runtime layer that nobody fills."""


def _brotli(level: int | None) -> Message:
    made = Brotli()
    if level is not None:
        made.quality.value = level
    return made


def _gzip(level: int | None) -> Message:
    return Gzip() if level is None else Gzip(compression_level=f"COMPRESSION_LEVEL_{level}")


def _zstd(level: int | None) -> Message:
    made = Zstd()
    if level is not None:
        made.compression_level.value = level
    return made


class _Coder(NamedTuple):
    """A library of Envoy's: the filter that compresses by it, and its messages."""

    filter: str
    compressor: Callable[[int | None], Message]
    decompressor: type[Message]


CODERS: Final[Mapping[Library, _Coder]] = {
    "Zstd": _Coder(http_filters.COMPRESS_ZSTD, _zstd, ZstdDecompressor),
    "Brotli": _Coder(http_filters.COMPRESS_BROTLI, _brotli, BrotliDecompressor),
    "Gzip": _Coder(http_filters.COMPRESS_GZIP, _gzip, GzipDecompressor),
}
"""The libraries, in the order of their filters: of those that a client likes equally, the first is taken."""

DEFAULT: Final[tuple[Library, ...]] = ("Gzip",)


@dataclass(frozen=True, slots=True)
class Compress(RuleSetting, FilterHook):
    """Compresses responses, and decompresses requests.

    Attributes:
        responses: how responses are compressed; None if they are not.
        requests: the encodings of requests that are decompressed.
    """

    responses: ResponseCompression | None
    requests: tuple[Library, ...]

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield a compressor for each library, and a decompressor for each encoding of requests."""
        if self.responses is not None:
            yield from _compressors(self.responses)
        for name, coder in CODERS.items():
            if name in self.requests:
                yield SlotFilter(http_filters.DECOMPRESS, f"decompress.{name.lower()}", _decompressor(name, coder))


def _compressors(found: ResponseCompression) -> Iterator[FilterEntry]:
    libraries = found.libraries or DEFAULT
    plain = all(each is None for each in (found.min_content_length, found.content_types, found.etag, found.level))
    for name, coder in CODERS.items():
        if name not in libraries:
            continue
        if plain:
            config = CompressorPerRoute()
            config.overrides.SetInParent()
            yield FilterConfig(coder.filter, config)
        else:
            # Routes can choose the library of a compressor, and nothing else: so theirs is a filter of their own, which
            # has a name that is none of the list: filters of a slot read what routes say under their names too.
            yield SlotFilter(http_filters.BEFORE_FAULT, f"compress.{name.lower()}", _compressor(name, coder, found))


def _compressor(name: Library, coder: _Coder, found: ResponseCompression) -> Compressor:
    made = Compressor(choose_first=name != "Gzip")
    made.compressor_library.name = name.lower()
    made.compressor_library.typed_config.Pack(coder.compressor(found.level), deterministic=True)
    direction = made.response_direction_config
    direction.uncompressible_response_codes.extend(http_filters.UNCOMPRESSIBLE)
    if found.min_content_length is not None:
        direction.common_config.min_content_length.value = found.min_content_length
    direction.common_config.content_type.extend(found.content_types or ())
    direction.weaken_etag_on_compress = found.etag == "Weaken"
    direction.disable_on_etag_header = found.etag == "Skip"
    return made


def _decompressor(name: Library, coder: _Coder) -> Decompressor:
    made = Decompressor()
    made.decompressor_library.name = name.lower()
    made.decompressor_library.typed_config.Pack(coder.decompressor(), deterministic=True)
    # Envoy would decompress what backends respond as well.
    off = made.response_direction_config.common_config.enabled
    off.default_value.value, off.runtime_key = False, NEVER
    return made


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective compression."""
    found = context.effective.value
    assert isinstance(found, Compression)
    responses, requests = found.response_compression, found.request_decompression
    encodings = _encodings(requests) if requests is not None else ()
    if responses is not None and responses.disable is not None:
        responses = None
    return Outcome((Compress(responses, encodings),) if responses is not None or encodings else ())


def _encodings(found: RequestDecompression) -> tuple[Library, ...]:
    return () if found.disable is not None else found.libraries or DEFAULT


EXTENSION = Extension("compression", units=(PolicyUnit(TrafficPolicy, "compression", read, Compress, inherit=TABLE),))
