"""The rules of routes: one file for each layer, one line for each kind."""

from __future__ import annotations

from translator.kinds import RouteKind
from translator.routes import grpc, http, l4, model

ROUTES: tuple[RouteKind, ...] = (http.ROUTE, grpc.ROUTE, model.ROUTE, l4.TCP_ROUTE, l4.TLS_ROUTE, l4.UDP_ROUTE)
