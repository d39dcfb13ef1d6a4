"""Examples of who may send requests: authorizers and issuers of tokens, in TrafficPolicies and GatewayExtensions."""

from __future__ import annotations

from typing import Any, Final

from tests.deploy.example import Example, unit

_T: Final = "TrafficPolicy"
_E: Final = "GatewayExtension"
_NAMED: Final = {"name": "a"}
_SERVICE: Final = {"name": "a", "port": 80}
_TEXT: Final = {"name": "c", "secretRef": {"name": "a"}}
_ISSUER: Final = {"name": "a", "issuer": "https://a.com", "jwks": {"local": {"inline": "{}"}}}


def _issuer(**fields: Any) -> dict[str, Any]:
    return unit("jwtAuth", providers=[{**_ISSUER, **fields}])


def _keys(**fields: Any) -> dict[str, Any]:
    return _issuer(jwks=fields)


def _retries(**fields: Any) -> dict[str, Any]:
    return _keys(remote={"url": "https://a.com/keys", "retryPolicy": fields})


ACCESS_EXAMPLES: Final = (
    Example(_T, unit("extAuth", extensionRef=_NAMED, contextExtensions={"a": "b"}, contextSecrets=[_TEXT])),
    Example(_T, unit("extAuth", extensionRefs=[_NAMED, {"name": "a", "namespace": "b"}])),
    Example(_T, unit("extAuth"), "extAuth"),
    Example(_T, unit("extAuth", disable={}, extensionRef=_NAMED), "extAuth"),
    Example(_T, unit("extAuth", extensionRefs=[_NAMED] * 2), "extensionRefs"),
    Example(_T, unit("extAuth", extensionRef=_NAMED, contextExtensions={"c": ""}, contextSecrets=[_TEXT]), "context"),
    Example(_T, unit("extAuth", extensionRef=_NAMED, withRequestBody={"maxRequestBytes": 0}), "maxRequestBytes"),
    Example(
        _E, {"extAuth": {"grpcService": {"backendRef": _SERVICE}, "statusOnError": 503, "percentageEnabled": "1%"}}
    ),
    Example(_E, {"extAuth": {"httpService": {"backendRef": _SERVICE, "pathPrefix": "/a/%20"}}}),
    Example(_E, {"extAuth": {}}, "extAuth"),
    Example(_E, {"extAuth": {"httpService": {"backendRef": _SERVICE, "pathPrefix": "a"}}}, "pathPrefix"),
    Example(_E, {"extAuth": {"httpService": {"backendRef": _SERVICE, "pathPrefix": "/", "pathOverride": "/"}}}, "path"),
    Example(
        _E, {"extAuth": {"httpService": {"backendRef": _SERVICE}, "headersToForward": ["a b"]}}, "headersToForward"
    ),
    Example(_E, {}, "spec"),
    Example(_E, {"jwt": {"providers": [_ISSUER]}}),
    Example(_E, {"jwt": {"validationMode": "AllowMissingOrFailed", "providers": [_ISSUER, {**_ISSUER, "name": "b"}]}}),
    Example(_E, {"jwt": {"providers": []}}, "providers"),
    Example(_E, {"jwt": {"providers": [_ISSUER, _ISSUER]}}, "providers"),
    Example(_E, {"jwt": {"providers": [{**_ISSUER, "jwks": {}}]}}, "jwks"),
    Example(_E, {"jwt": {"validationMode": "Loose", "providers": [_ISSUER]}}, "validationMode"),
    Example(_T, unit("jwtAuth", extensionRef=_NAMED, mode="AllowMissing", requireAll=True, audiences=["a"])),
    Example(_T, unit("jwtAuth", disable={})),
    Example(_T, unit("jwtAuth", providers=[_ISSUER])),
    Example(_T, unit("jwtAuth"), "jwtAuth"),
    Example(_T, unit("jwtAuth", mode="Strict"), "jwtAuth"),
    Example(_T, unit("jwtAuth", disable={}, mode="Strict"), "jwtAuth"),
    Example(_T, unit("jwtAuth", extensionRef=_NAMED, providers=[_ISSUER]), "jwtAuth"),
    Example(_T, unit("jwtAuth", extensionRef=_NAMED, audiences=["a", "a"]), "audiences"),
    Example(_T, _issuer(subjects=[{"exact": "a"}, {"suffix": "b", "ignoreCase": True}], audiences=["a"])),
    Example(_T, _issuer(subjects=[{"exact": "a", "prefix": "b"}]), "subjects"),
    Example(
        _T, _issuer(tokenSource={"headers": [{"name": "x-a", "prefix": ""}], "queryParams": ["a"], "cookies": ["b"]})
    ),
    Example(_T, _issuer(tokenSource={}), "tokenSource"),
    Example(_T, _issuer(claimsToHeaders=[{"name": "a.b", "header": "x-a"}, {"path": ["a.b"], "header": "x-b"}])),
    Example(_T, _issuer(claimsToHeaders=[{"name": "a", "path": ["a"], "header": "x-a"}]), "claimsToHeaders"),
    Example(_T, _issuer(claimsToHeaders=[{"header": "x-a"}]), "claimsToHeaders"),
    Example(_T, _issuer(claimsToHeaders=[{"name": "a", "header": "Host"}]), "header"),
    Example(_T, _issuer(claimsToHeaders=[{"name": "a", "header": "x-a"}, {"name": "b", "header": "x-a"}]), "claims"),
    Example(_T, _issuer(clockSkew="0s"), "clockSkew"),
    Example(_T, _keys(local={"configMapRef": _NAMED})),
    Example(_T, _keys(local={"secretRef": {"name": "a", "namespace": "b", "key": "c"}})),
    Example(_T, _keys(local={}), "local"),
    Example(_T, _keys(local={"inline": "{}", "secretRef": _NAMED}), "local"),
    Example(_T, _keys(local={"inline": "{}"}, remote={"url": "https://a.com/keys"}), "jwks"),
    Example(_T, _keys(remote={"url": "https://a.com:8443/keys?a=b", "backendRef": _SERVICE, "cacheDuration": "1h"})),
    Example(_T, _keys(remote={}), "remote"),
    Example(_T, _keys(remote={"url": "a.com/keys"}), "url"),
    Example(_T, _keys(remote={"url": "https://me:pass@a.com/keys"}), "url"),
    Example(_T, _keys(remote={"url": "https://a.com/#keys"}), "url"),
    Example(_T, _retries(numRetries=3, baseInterval="1s", maxInterval="1s")),
    Example(_T, _retries(numRetries=11), "numRetries"),
    Example(_T, _retries(maxInterval="1s"), "retryPolicy"),
    Example(_T, _retries(baseInterval="2s", maxInterval="1s"), "maxInterval"),
)
