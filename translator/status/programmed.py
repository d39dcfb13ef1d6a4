"""The condition Programmed: only what the proxies have acknowledged counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from translator.conditions import Condition, bounded
from translator.db import Db
from translator.engine.query import NotSyncedError, query
from translator.envoy.names import port_of
from translator.infrastructure.workload_health import has_ready_endpoint
from translator.inputs import AttributedNack
from translator.ir.listener import SocketPort
from translator.refs import Ref
from xds import SECRET

DONE = Condition("Programmed", "True", "Programmed", "All proxies have acknowledged the configuration.")
UNASKED = Condition("Programmed", "True", "Programmed", "The configuration is valid; no proxies were asked.")
WAITING = Condition("Programmed", "False", "Pending", "The proxies have not acknowledged the configuration yet.")
NO_PROXY = Condition("Programmed", "False", "Pending", "No proxy is connected.")

ADVICE = {
    "Permission denied": "Ports below 1024 need a privilege: choose a port from 1024 up, run as root, or give Envoy "
    "the capability with `setcap cap_net_bind_service=+ep`.",
    "Address already in use": "Another program has the port: stop it (`ss -lntup` shows it), or choose another port.",
    "Cannot assign requested address": "The address is not one of this machine's: correct spec.addresses.",
}
"""What to do about the errors of binding that Envoy reports, by the words of the operating system."""
OF_FILES = {
    "Maxmind database": "The file of httpSettings.geoIP is not there for the proxies, or not readable: mount it where "
    "they run, such as by spec.podTemplate of GatewayParameters, or correct the path; edits of the listeners of its "
    "port have no effect until then.",
}
"""What to do about files that Envoy does not have, by Envoy's words."""


MOST_ROUTES = 3
"""So many routes are named of which came what a proxy refused."""
MOST_CHARACTERS = 4096
"""The longest text about all that proxies refuse of one Gateway."""


@dataclass(frozen=True, slots=True)
class Programming:
    """The condition Programmed of a Gateway, and of its listeners.

    Attributes:
        gateway: the Gateway's.
        others: that of listeners of which nothing was refused.
        ports: that of listeners on ports of which something was refused.
        certificates: that of listeners whose certificate, by the name of its resource, was refused.
        generation: of the Gateway, the one that all this was told of by the proxies; None for its newest.
        listeners: the names of the listeners which that had; None for those of the newest.
    """

    gateway: Condition
    others: Condition
    ports: Mapping[SocketPort, Condition] = field(default_factory=dict)
    certificates: Mapping[str, Condition] = field(default_factory=dict)
    generation: int | None = None
    listeners: frozenset[str] | None = None

    def of(self, name: str, port: SocketPort, certificates: Iterable[str]) -> tuple[Condition, int | None]:
        """Return the condition of a listener, and the generation that it is of."""
        if self.listeners is not None and name not in self.listeners:
            return WAITING, None
        refused = (self.certificates[each] for each in certificates if each in self.certificates)
        return self.ports.get(port) or next(refused, self.others), self.generation


@query
def programming(db: Db, gateway: Ref) -> Programming:
    """Return what the proxies of a Gateway have acknowledged; offline, what is valid counts as programmed.

    While proxies that serve may be about to connect again, that is not known, and what was told last stands.
    """
    if db.settings.offline:
        return Programming(UNASKED, UNASKED)
    sync_status = db.sync_status(gateway)
    if not sync_status.clients:
        if sync_status.reconnecting and has_ready_endpoint(db, gateway):
            raise NotSyncedError("whether proxies come back")
        missing = _no_proxy(db, gateway)
        return Programming(missing, missing)
    others = DONE if sync_status.all_acked else WAITING
    about = (sync_status.generation, sync_status.listeners)
    if not sync_status.nacks:
        return Programming(others, others, {}, {}, *about)
    ports: defaultdict[SocketPort, list[AttributedNack]] = defaultdict(list)
    certificates: defaultdict[str, list[AttributedNack]] = defaultdict(list)
    for each in sync_status.nacks:
        if each.nack.type_url == SECRET:
            certificates[each.nack.name].append(each)
        elif (port := port_of(each.nack.name)) is not None:
            ports[port].append(each)
    return Programming(
        _refusal(sync_status.nacks),
        others,
        {port: _refusal(found) for port, found in ports.items()},
        {name: _refusal(found) for name, found in certificates.items()},
        *about,
    )


@query(firewall=True)
def acknowledgement(db: Db, gateway: Ref) -> Condition:
    """Return whether the proxies of a Gateway have acknowledged its configuration, whatever they refuse of it."""
    if db.settings.offline:
        return UNASKED
    sync_status = db.sync_status(gateway)
    if not sync_status.clients:
        if sync_status.reconnecting and has_ready_endpoint(db, gateway):
            raise NotSyncedError("whether proxies come back")
        return NO_PROXY
    return DONE if sync_status.all_acked else WAITING


def _no_proxy(db: Db, gateway: Ref) -> Condition:
    """Return why no proxy is connected; in a cluster the status of the deployment says more."""
    known = db.apply_result(gateway).problems if db.settings.standalone else ()
    return Condition("Programmed", "False", known[0].reason, known[0].message) if known else NO_PROXY


def _refusal(nacks: Iterable[AttributedNack]) -> Condition:
    text = bounded([_words(each) for each in nacks], MOST_CHARACTERS)
    reason = "AddressNotUsable" if any(words in text for words in ADVICE) else "Invalid"
    return Condition("Programmed", "False", reason, f"{way_out(text)} {text}".strip())


def way_out(message: str) -> str:
    """Return what to do about what a proxy says; "" if nothing is known."""
    return next((way for words, way in (ADVICE | OF_FILES).items() if words in message), "")


def _words(attributed: AttributedNack) -> str:
    type_url, name, message = attributed.nack
    text = f"A proxy refused {type_url.rpartition('.')[2]} {name}: {message}"
    if not attributed.routes:
        return text
    routes = [str(each.route) for each in attributed.routes[:MOST_ROUTES]]
    more = len(attributed.routes) - len(routes)
    return f"{text} (it comes of {', '.join(routes)}{f' and {more} more' if more else ''})."
