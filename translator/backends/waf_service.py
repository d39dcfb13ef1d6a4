"""Headgate's own service that inspects requests (`headgate waf`), for policies that name no GatewayExtension.

In a cluster it is deployed if the operator says its image. Elsewhere it is where the operator says.
"""

from __future__ import annotations

from typing import Final

from translator.backends.own_service import OwnService
from translator.db import Db
from translator.ir.backend import Backend

WAF_SERVICE: Final = OwnService(
    kind="WafService",
    component="waf",
    prefix="waf",
    noun="web application firewall",
    without="requests that it is to inspect get 500, or are served where a GatewayExtension says failOpen: true",
)


def own_waf_service(db: Db) -> Backend | None:
    """Return Headgate's own service; None if there is none."""
    settings = db.settings
    if settings.waf_service is not None:
        return WAF_SERVICE.at(settings.waf_service)
    return WAF_SERVICE.deployed if settings.waf_image and not settings.standalone else None
