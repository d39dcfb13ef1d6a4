"""Certificates for the cases, made anew in each run, so that no private key is ever committed."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import self_signed

_CERTIFICATE, _KEY = self_signed("example.com")
_WEAK_CERTIFICATE, _WEAK_KEY = self_signed("example.com", key=rsa.generate_private_key(65537, 1024))
_STAPLED_CERTIFICATE, _STAPLED_KEY = self_signed("example.com", stapled=True)

#: What stands for certificates and keys in the files; as strings of YAML.
PLACEHOLDERS = {
    "CERTIFICATE": json.dumps(_CERTIFICATE),
    "KEY": json.dumps(_KEY),
    "OTHER_KEY": json.dumps(self_signed("example.com")[1]),
    "WEAK_CERTIFICATE": json.dumps(_WEAK_CERTIFICATE),
    "WEAK_KEY": json.dumps(_WEAK_KEY),
    "STAPLED_CERTIFICATE": json.dumps(_STAPLED_CERTIFICATE),
    "STAPLED_KEY": json.dumps(_STAPLED_KEY),
}
