"""The HTTP filters that all connection managers have; other extensions configure them at routes."""

from __future__ import annotations

from translator.envoy.http_filters import FILTERS
from translator.extension import Extension

EXTENSION = Extension("HTTP filters", http_filters=FILTERS)
