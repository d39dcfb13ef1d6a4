"""Fields of a ListenerPolicy for what the proxy logs of requests, and responds by itself."""

from translator.objects.headgate.accesslogs import AccessLogs
from translator.objects.headgate.localreplies import LocalReplyConfig
from translator.objects.schema.base import Fields


class HttpLogs(Fields):
    """Logs of requests, and responses of the proxy itself."""

    access_log: AccessLogs = None
    """Logs of requests, in place of the one to the standard output that listeners have anyway; `[]` switches it off."""
    local_replies: LocalReplyConfig | None = None
    """The form of responses that the proxy gives by itself."""
