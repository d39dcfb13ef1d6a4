"""Certificates for the cases, made anew in each run, so that no private key is ever committed."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import self_signed

_CERTIFICATE, _KEY = self_signed("example.com")
_RENEWED_CERTIFICATE, _RENEWED_KEY = self_signed("renewed", "example.com")
_WEAK_CERTIFICATE, _WEAK_KEY = self_signed("example.com", key=rsa.generate_private_key(65537, 1024))
_STAPLED_CERTIFICATE, _STAPLED_KEY = self_signed("example.com", stapled=True)
_WILDCARD_CERTIFICATE, _WILDCARD_KEY = self_signed("example.com", "example.com", "*.example.com")
_WWW_CERTIFICATE, _WWW_KEY = self_signed("www.example.com", "WWW.example.com")
_DEEP_CERTIFICATE, _DEEP_KEY = self_signed("example.com", "a.b.example.com")

#: What stands for certificates and keys in the files; as strings of YAML.
PLACEHOLDERS = {
    "CERTIFICATE": json.dumps(_CERTIFICATE),
    "KEY": json.dumps(_KEY),
    "RENEWED_CERTIFICATE": json.dumps(_RENEWED_CERTIFICATE),
    "RENEWED_KEY": json.dumps(_RENEWED_KEY),
    "OTHER_KEY": json.dumps(self_signed("example.com")[1]),
    "WEAK_CERTIFICATE": json.dumps(_WEAK_CERTIFICATE),
    "WEAK_KEY": json.dumps(_WEAK_KEY),
    "STAPLED_CERTIFICATE": json.dumps(_STAPLED_CERTIFICATE),
    "STAPLED_KEY": json.dumps(_STAPLED_KEY),
    "WILDCARD_CERTIFICATE": json.dumps(_WILDCARD_CERTIFICATE),
    "WILDCARD_KEY": json.dumps(_WILDCARD_KEY),
    "WWW_CERTIFICATE": json.dumps(_WWW_CERTIFICATE),
    "WWW_KEY": json.dumps(_WWW_KEY),
    "DEEP_CERTIFICATE": json.dumps(_DEEP_CERTIFICATE),
    "DEEP_KEY": json.dumps(_DEEP_KEY),
}
