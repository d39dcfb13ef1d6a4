"""What listeners do with HTTP: `httpSettings` of ListenerPolicies."""

from collections.abc import Iterator
from typing import ClassVar

from translator.objects.headgate.clientaddress import CLIENT_ADDRESS_RULES, ClientAddressSettings
from translator.objects.headgate.httplimits import HttpLimits
from translator.objects.headgate.httplogs import HttpLogs
from translator.objects.headgate.httpmessages import SERVER_NAME_RULE, HttpMessageSettings
from translator.objects.headgate.httpprotocols import HttpProtocolSettings
from translator.objects.headgate.requestsettings import RequestSettings
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation


class HttpSettings(
    ClientAddressSettings,
    HttpLimits,
    HttpLogs,
    HttpMessageSettings,
    HttpProtocolSettings,
    RequestSettings,
    CheckedFields,
):
    """How HTTP is spoken to clients; each field is merged with those of policies of other levels, and by itself."""

    rules: ClassVar[tuple[CelRule, ...]] = (*CLIENT_ADDRESS_RULES, SERVER_NAME_RULE)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each field that must not stand beside another."""
        yield from self.client_address_violations()
        yield from self.message_violations()
