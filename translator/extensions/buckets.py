"""Buckets of tokens as Envoy's."""

from __future__ import annotations

from headgate_proto.envoy.type.v3.token_bucket_pb2 import TokenBucket
from translator.objects.headgate.locallimit import RateBucket


def write_bucket(bucket: TokenBucket, found: RateBucket) -> None:
    """Write a bucket."""
    bucket.max_tokens = found.max_tokens
    bucket.tokens_per_fill.value = found.tokens_per_fill or 1
    bucket.fill_interval.FromMilliseconds(found.fill_interval)
