"""What OpenID providers say about themselves, as far as proxies need it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The metadata of an OpenID provider (OpenID Connect Discovery 1.0, 3), as URLs.

    Attributes:
        authorization_endpoint: where browsers are sent to log in.
        token_endpoint: where a code is exchanged for tokens.
        jwks_uri: where the keys are that tokens are signed with; "" if it names none.
        end_session_endpoint: where browsers are sent to log out (OpenID Connect RP-Initiated Logout 1.0); "" if it
            names none.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str = ""
    end_session_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Discovered:
    """The result of the discovery of an issuer: its metadata, the last that was read; or why there is none.

    Attributes:
        metadata: the metadata; None if it never could be read.
        error: why it could not, in words for people; "" if it could.
    """

    metadata: ProviderMetadata | None = None
    error: str = ""
