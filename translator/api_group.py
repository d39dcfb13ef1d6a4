"""Headgate's own names in Kubernetes. Imports nothing, so that the command line can start quickly."""

from typing import Final

GROUP: Final = "gateway.headgate.dev"
"""The API group of Headgate's kinds; its labels, annotations and condition types are under it too."""

CONTROLLER_NAME: Final = f"{GROUP}/controller"
"""GatewayClasses with this `spec.controllerName` are Headgate's, unless it is told another."""
