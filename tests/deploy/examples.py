"""Examples of Headgate's own kinds, valid and invalid: models and definitions must agree on each."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Example(NamedTuple):
    """The spec of an object, and its invalid field; "" if it is valid."""

    kind: str
    spec: dict[str, Any]
    wrong: str = ""


def _service(**fields: Any) -> dict[str, Any]:
    return {"service": fields}


_R, _P, _T = "DirectResponse", "GatewayParameters", "TrafficPolicy"
_E: Final = "GatewayExtension"
_NAMED: Final = {"name": "a"}
_SERVICE: Final = {"name": "a", "port": 80}
_TEXT: Final = {"name": "c", "secretRef": {"name": "a"}}
_ROUTE: Final = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a"}


def _cors(**fields: Any) -> dict[str, Any]:
    return {"targetRefs": [_ROUTE], "cors": fields}


def _selector(**fields: Any) -> dict[str, Any]:
    return {"targetSelectors": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", **fields}]}


def _policy(**fields: Any) -> dict[str, Any]:
    return {"targetRefs": [_ROUTE], **fields}


def _request(**fields: Any) -> dict[str, Any]:
    return _policy(headerModifiers={"request": fields})


_HEADER: Final = {"name": "X-A", "value": "a"}
_SECRET: Final = {"name": "X-A", "secretRef": {"name": "a", "key": "b"}}
_REGEX: Final = {"pattern": "^/(a)", "substitution": "/\\1"}
_GATEWAY: Final = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "a"}

_BUCKET: Final = {"maxTokens": 10, "fillInterval": "1s"}
_SUCCESS: Final = {"statusCodes": [{"value": 200}, {"range": {"start": 300, "end": 399}}]}
_RATE: Final = {"limit": {"value": "1Mi", "unit": "Second"}}


def _unit(name: str, **fields: Any) -> dict[str, Any]:
    return {"targetRefs": [_ROUTE], name: fields}


_ISSUER: Final = {"name": "a", "issuer": "https://a.com", "jwks": {"local": {"inline": "{}"}}}


def _issuer(**fields: Any) -> dict[str, Any]:
    return _unit("jwtAuth", providers=[{**_ISSUER, **fields}])


def _keys(**fields: Any) -> dict[str, Any]:
    return _issuer(jwks=fields)


def _retries(**fields: Any) -> dict[str, Any]:
    return _keys(remote={"url": "https://a.com/keys", "retryPolicy": fields})


def _local(**fields: Any) -> dict[str, Any]:
    return _unit("rateLimit", local=fields)


def _rule(**selector: Any) -> dict[str, Any]:
    return {"name": "a", "tokenBucket": _BUCKET, "clientSelectors": [selector]}


def _override(**fields: Any) -> dict[str, Any]:
    return {"targetRefs": [_ROUTE], "responseOverride": [{"match": {"statusCodes": [{"value": 404}]}, **fields}]}


def _match(**fields: Any) -> dict[str, Any]:
    return {"targetRefs": [_ROUTE], "responseOverride": [{"match": fields, "response": {}}]}


_LABELLED: Final = _selector(matchLabels={"a": "b"})["targetSelectors"][0]

EXAMPLES: Final = (
    Example(_R, {"status": 200}),
    Example(_R, {"status": 599, "body": "x" * 4096}),
    Example(_R, {"status": 200, "body": "é" * 2048}),
    Example(_R, {}, "status"),
    Example(_R, {"status": 199}, "status"),
    Example(_R, {"status": 600}, "status"),
    Example(_R, {"status": "200"}, "status"),
    Example(_R, {"status": 200, "body": "x" * 4097}, "body"),
    Example(_R, {"status": 200, "body": "é" * 2049}, "body"),
    Example(_R, {"status": 200, "body": 7}, "body"),
    Example(_R, {"status": 200, "body": "", "headers": {"set": [{"name": "x-a", "value": "b"}], "remove": ["x-c"]}}),
    Example(_R, {"status": 200, "bodyFormat": {"text": "%PROTOCOL%", "contentType": "text/html"}}),
    Example(_R, {"status": 200, "bodyFormat": {"json": {"a": [1, "b", {"c": None}]}}}),
    Example(_R, {"status": 200, "bodyFrom": {"configMapRef": {"name": "a", "key": "b.html"}}}),
    Example(_R, {"status": 204, "body": "x"}, "body"),
    Example(_R, {"status": 304, "bodyFrom": {"configMapRef": {"name": "a", "key": "b"}}}, "body"),
    Example(_R, {"status": 200, "body": "x", "bodyFormat": {"text": "x"}}, "body"),
    Example(_R, {"status": 200, "bodyFormat": {}}, "bodyFormat"),
    Example(_R, {"status": 200, "bodyFormat": {"text": "x", "json": {}}}, "bodyFormat"),
    Example(_R, {"status": 200, "bodyFrom": {}}, "configMapRef"),
    Example(_R, {"status": 200, "bodyFrom": {"configMapRef": {"name": "a", "key": "b/c"}}}, "key"),
    Example(_R, {"status": 200, "headers": {"set": [{"name": "Content-Length", "value": "1"}]}}, "name"),
    Example(_R, {"status": 200, "headers": {"add": [{"name": "x-a", "value": "b\n"}]}}, "value"),
    Example(_P, {}),
    Example(_P, {"selfManaged": True}),
    Example(_P, {"kind": "DaemonSet", "logLevel": "debug", "concurrency": 1024, "drainSeconds": 0}),
    Example(_P, {"kind": "StatefulSet"}, "kind"),
    Example(_P, {"replicas": 0, "image": "x", "extraArgs": ["--x"]}),
    Example(_P, {"replicas": -1}, "replicas"),
    Example(_P, {"replicas": 2**31}, "replicas"),
    Example(_P, {"image": ""}, "image"),
    Example(_P, {"extraArgs": [""]}, "extraArgs"),
    Example(_P, {"extraArgs": ["x"] * 65}, "extraArgs"),
    Example(_P, {"concurrency": 0}, "concurrency"),
    Example(_P, {"logLevel": "loud"}, "logLevel"),
    Example(_P, {"drainSeconds": 3601}, "drainSeconds"),
    Example(_P, {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "podTemplate": {"spec": {"a": [1, {}]}}}),
    Example(_P, {"resources": []}, "resources"),
    Example(_P, {"bootstrap": {"stats_flush_interval": "5s"}}),
    Example(_P, _service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}, {"port": 443}])),
    Example(_P, _service(ports=[{"port": 80}, {"port": 80}]), "ports"),
    Example(_P, _service(ports=[{"nodePort": 30080}]), "ports"),
    Example(_P, _service(type="ClusterIP", ports=[{"port": 80, "nodePort": 30080}]), "ports"),
    Example(_P, _service(type="ExternalName"), "type"),
    Example(_P, _service(loadBalancerClass="example.com/lb", externalTrafficPolicy="Local")),
    Example(_P, _service(type="NodePort", loadBalancerClass="example.com/lb"), "loadBalancerClass"),
    Example(_P, _service(type="NodePort", externalTrafficPolicy="Local")),
    Example(_P, _service(type="ClusterIP", externalTrafficPolicy="Local"), "externalTrafficPolicy"),
    Example(_P, _service(loadBalancerSourceRanges=["10.0.0.0/8"], allocateLoadBalancerNodePorts=False)),
    Example(_P, _service(type="NodePort", loadBalancerSourceRanges=["10.0.0.0/8"]), "loadBalancerSourceRanges"),
    Example(_P, _service(type="NodePort", loadBalancerSourceRanges=[])),
    Example(_P, _service(type="ClusterIP", allocateLoadBalancerNodePorts=True), "allocateLoadBalancerNodePorts"),
    Example(_P, _service(ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6", "IPv4"])),
    Example(_P, _service(ipFamilies=["IPv5"]), "ipFamilies"),
    Example(_P, {"strategy": {"type": "Recreate"}}),
    Example(_P, {"strategy": "Recreate"}, "strategy"),
    Example(_P, _service(labels={"a": "b c"}), "labels"),
    Example(_P, _service(annotations={"example.com/a": "b c"})),
    Example(_P, {"hpa": {"maxReplicas": 3, "metrics": [{"type": "Resource"}], "behavior": {}}}),
    Example(_P, {"hpa": {"minReplicas": 2, "maxReplicas": 2}}),
    Example(_P, {"hpa": {"minReplicas": 3, "maxReplicas": 2}}, "maxReplicas"),
    Example(_P, {"hpa": {}}, "maxReplicas"),
    Example(_P, {"hpa": {"maxReplicas": 2}, "kind": "DaemonSet"}, "hpa"),
    Example(_P, {"pdb": {"minAvailable": 1}}),
    Example(_P, {"pdb": {"maxUnavailable": "50%"}}),
    Example(_P, {"pdb": {}}, "pdb"),
    Example(_P, {"pdb": {"minAvailable": 1, "maxUnavailable": 1}}, "pdb"),
    Example(_P, {"pdb": {"minAvailable": -1}}, "minAvailable"),
    Example(_P, {"pdb": {"minAvailable": "half"}}, "minAvailable"),
    Example(_P, {"stats": {"prometheus": False, "includePrefixes": ["cluster."], "excludePrefixes": []}}),
    Example(_P, {"stats": {"includePrefixes": ["a"], "excludePrefixes": ["b"]}}, "excludePrefixes"),
    Example(_T, {"targetRefs": [_ROUTE]}),
    Example(_T, {"targetRefs": [_ROUTE, _ROUTE | {"sectionName": "b"}, _ROUTE | {"sectionName": "c"}]}),
    Example(_T, {"targetRefs": [_ROUTE, _ROUTE]}, "targetRefs"),
    Example(_T, {"targetRefs": [_ROUTE | {"sectionName": "b"}] * 2}, "targetRefs"),
    Example(_T, {"targetRefs": [_ROUTE, _ROUTE | {"namespace": "b"}]}),
    Example(_T, {"targetRefs": [_ROUTE | {"namespace": "b"}] * 2}, "targetRefs"),
    Example(_T, {"targetRefs": [_ROUTE | {"namespace": "B"}]}, "namespace"),
    Example(_T, {"cors": {}}),
    Example(_T, {"targetRefs": [_ROUTE], "inheritance": "Replace", "enforced": True}),
    Example(_T, {"targetRefs": [_ROUTE], "inheritance": "replace"}, "inheritance"),
    Example(_T, {"targetRefs": [_ROUTE], "enforced": "yes"}, "enforced"),
    Example(_T, _selector(matchLabels={"a": "b"})),
    Example(_T, _selector(matchLabels={"a": "b"}, sectionName="b", namespaces={"from": "All"})),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "In", "values": ["b"]}])),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "DoesNotExist"}])),
    Example(_T, _selector(), "targetSelectors"),
    Example(_T, _selector(matchLabels={}, matchExpressions=[]), "targetSelectors"),
    Example(_T, _selector(matchLabels={"a": "b c"}), "matchLabels"),
    Example(_T, _selector(matchLabels={f"a{number}": "b" for number in range(17)}), "matchLabels"),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "in", "values": ["b"]}]), "operator"),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "In"}]), "values"),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "In", "values": ["b"] * 65}]), "values"),
    Example(_T, _selector(matchExpressions=[{"key": "a", "operator": "Exists", "values": ["b"]}]), "values"),
    Example(_T, _selector(matchLabels={"a": "b"}, namespaces={"from": "Selector", "selector": {}})),
    Example(_T, _selector(matchLabels={"a": "b"}, namespaces={"from": "Selector"}), "selector"),
    Example(_T, _selector(matchLabels={"a": "b"}, namespaces={"from": "All", "selector": {}}), "selector"),
    Example(_T, {"targetSelectors": [_LABELLED] * 17}, "targetSelectors"),
    Example(_T, {"targetRefs": [_ROUTE | {"name": f"a{number}"} for number in range(17)]}, "targetRefs"),
    Example(_T, {"targetRefs": [{"kind": "HTTPRoute", "name": "a"}]}, "group"),
    Example(_T, _cors()),
    Example(_T, _cors(allowOrigins=["*"], allowMethods=["*"], allowHeaders=["*"], exposeHeaders=["*", "x-a"])),
    Example(_T, _cors(allowOrigins=["*", "https://a.com"]), "allowOrigins"),
    Example(_T, _cors(allowMethods=["GET", "*"]), "allowMethods"),
    Example(_T, _cors(allowHeaders=["*", "x-a"]), "allowHeaders"),
    Example(_T, _cors(allowOrigins=["https://a.com/"]), "allowOrigins"),
    Example(_T, _cors(allowOrigins=["https://a.com", "https://a.com"]), "allowOrigins"),
    Example(_T, _cors(allowMethods=["get"]), "allowMethods"),
    Example(_T, _cors(maxAge=0), "maxAge"),
    Example(_T, _request(set=[_HEADER, {**_SECRET, "name": "x-b"}], remove=["x-c"], removeOnMatch=[{"prefix": "x-"}])),
    Example(_T, _request(add=[{**_HEADER, "format": True}], addIfAbsent=[{"name": "x-b", "value": "%"}])),
    Example(_T, _request(set=[_HEADER, _HEADER]), "set"),
    Example(_T, _request(set=[_HEADER], add=[{"name": "x-a", "value": "b"}]), "request"),
    Example(_T, _request(addIfAbsent=[_HEADER], remove=["x-a"]), "request"),
    Example(_T, _request(set=[{**_SECRET, "value": "a"}]), "set"),
    Example(_T, _request(set=[{**_SECRET, "format": True}]), "format"),
    Example(_T, _request(set=[{"name": "Host", "value": "a"}]), "name"),
    Example(_T, _request(add=[{"name": ":path", "value": "a"}]), "name"),
    Example(_T, _request(remove=["Content-Length"]), "remove"),
    Example(_T, _request(remove=["x-a"] * 2), "remove"),
    Example(_T, _request(removeOnMatch=[{"prefix": "a", "suffix": "b"}]), "removeOnMatch"),
    Example(_T, _policy(headerModifiers={"response": {"set": [_HEADER]}})),
    Example(_T, _policy(headerModifiers={"response": {"set": [_SECRET]}}), "value"),
    Example(_T, _policy(hostRewrite={"auto": {}}, appendXForwardedHost=True)),
    Example(_T, _policy(hostRewrite={"pathRegex": _REGEX})),
    Example(_T, _policy(hostRewrite={}), "hostRewrite"),
    Example(_T, _policy(hostRewrite={"auto": {}, "literal": "a"}), "hostRewrite"),
    Example(_T, _policy(hostRewrite={"disable": {}, "header": "x-a"}), "hostRewrite"),
    Example(_T, _policy(hostRewrite={"literal": "a b"}), "literal"),
    Example(_T, _policy(autoHostRewrite=False)),
    Example(_T, _policy(autoHostRewrite=True, hostRewrite={"literal": "a"}), "autoHostRewrite"),
    Example(_T, _policy(urlRewrite={"pathRegex": _REGEX})),
    Example(_T, _policy(urlRewrite={"pathRegex": {"pattern": "a"}}), "substitution"),
    Example(_T, {"targetRefs": [_GATEWAY], "urlRewrite": {"pathRegex": _REGEX}}, "urlRewrite"),
    Example(_T, {"targetSelectors": [{**_LABELLED, "kind": "Gateway"}], "urlRewrite": {}}, "urlRewrite"),
    Example(_T, _policy(internalRedirect={"redirectResponseCodes": [302, 307], "maxRedirects": 10})),
    Example(_T, _policy(internalRedirect={"redirectResponseCodes": [304]}), "redirectResponseCodes"),
    Example(_T, _policy(internalRedirect={"maxRedirects": 11}), "maxRedirects"),
    Example(_T, _policy(internalRedirect={"responseHeadersToCopy": ["Host"]}), "responseHeadersToCopy"),
    Example(_T, _policy(requestMirror={"backendRef": {"name": "a", "port": 80}, "share": "0.25%"})),
    Example(_T, _policy(requestMirror={"share": 100})),
    Example(_T, _policy(requestMirror={"share": 101}), "share"),
    Example(_T, _policy(requestMirror={"share": "100.1%"}), "share"),
    Example(_T, _policy(requestMirror={"share": "1"}), "share"),
    Example(_T, _policy(httpUpgrade=[{"type": "websocket", "enabled": False}, {"type": "CONNECT", "connect": {}}])),
    Example(_T, _policy(httpUpgrade=[{"type": "a"}, {"type": "a"}]), "httpUpgrade"),
    Example(_T, _policy(httpUpgrade=[{"type": "a", "connect": {}}]), "httpUpgrade"),
    Example(_T, _policy(hashPolicies=[{"sourceIP": {}, "terminal": True}, {"queryParam": {"name": "a"}}])),
    Example(_T, _policy(hashPolicies=[{"cookie": {"name": "a", "ttl": "1h", "path": "/"}}])),
    Example(_T, _policy(hashPolicies=[{}]), "hashPolicies"),
    Example(_T, _policy(hashPolicies=[{"sourceIP": {}, "header": {"name": "a"}}]), "hashPolicies"),
    Example(_T, _policy(hashPolicies=[{"cookie": {"name": "a", "ttl": "1 hour"}}]), "ttl"),
    Example(_T, _policy(timeouts={"request": "1h30m", "backendRequest": "500ms", "streamIdle": "0s"})),
    Example(_T, _policy(timeouts={"request": "0s", "backendRequest": "10s", "idle": "99999h"})),
    Example(_T, _policy(timeouts={"request": "10s", "backendRequest": "11s"}), "backendRequest"),
    Example(_T, _policy(timeouts={"request": "1.5s"}), "request"),
    Example(_T, _policy(timeouts={"streamIdle": 10}), "streamIdle"),
    Example(_T, _policy(retry={})),
    Example(_T, _policy(retry={"retryOn": ["5xx", "unavailable"], "attempts": 0, "statusCodes": [409, 599]})),
    Example(_T, _policy(retry={"perTryTimeout": "1s", "hosts": {"attempts": 1}, "budget": {"percent": "0.5%"}})),
    Example(_T, _policy(retry={"backoffBaseInterval": "1s", "backoffMaxInterval": "1s"})),
    Example(_T, _policy(retry={"rateLimitedBackoff": {"headers": [{"name": "a", "format": "UnixTimestamp"}]}})),
    Example(_T, _policy(retry={"retriableHeaders": [{"name": "x-a", "exact": "a", "invert": True}]})),
    Example(_T, _policy(retry={"retryOn": ["4xx"]}), "retryOn"),
    Example(_T, _policy(retry={"retryOn": ["5xx", "5xx"]}), "retryOn"),
    Example(_T, _policy(retry={"attempts": 101}), "attempts"),
    Example(_T, _policy(retry={"statusCodes": [399]}), "statusCodes"),
    Example(_T, _policy(retry={"backoffBaseInterval": "0s"}), "backoffBaseInterval"),
    Example(_T, _policy(retry={"backoffMaxInterval": "24ms"}), "backoffMaxInterval"),
    Example(_T, _policy(retry={"backoffBaseInterval": "2s", "backoffMaxInterval": "1s"}), "backoffMaxInterval"),
    Example(_T, _policy(retry={"rateLimitedBackoff": {"headers": []}}), "headers"),
    Example(_T, _policy(retry={"requestHeaders": [{"name": "x-a", "exact": "a", "prefix": "b"}]}), "requestHeaders"),
    Example(_T, _policy(retry={"budget": {"percent": 101}}), "percent"),
    Example(_T, _policy(retry={"priorities": {}}), "updateFrequency"),
    Example(_T, _policy(buffer={"maxRequestSize": "64Ki"}, bandwidthLimit={"disable": {}})),
    Example(_T, _policy(buffer={"maxRequestSize": 1})),
    Example(_T, _policy(buffer={"maxRequestSize": 0}), "maxRequestSize"),
    Example(_T, _policy(buffer={"maxRequestSize": "0Mi"}), "maxRequestSize"),
    Example(_T, _policy(buffer={"maxRequestSize": "1 MB"}), "maxRequestSize"),
    Example(_T, _policy(buffer={"maxRequestSize": "1Mi", "disable": {}}), "disable"),
    Example(_T, _policy(bandwidthLimit={"request": _RATE, "response": {**_RATE, "responseTrailers": {"prefix": "a"}}})),
    Example(_T, _policy(bandwidthLimit={"request": {"limit": {"value": "1Mi", "unit": "Minute"}}}), "unit"),
    Example(_T, _policy(bandwidthLimit={"response": {"limit": {}}}), "value"),
    Example(_T, _policy(bandwidthLimit={"disable": {}, "request": _RATE}), "disable"),
    Example(_T, _local(tokenBucket=_BUCKET, phase="BeforeAuth", scope="Route", percentEnforced="0.5%")),
    Example(_T, _local(rules=[{"name": "a", "limit": {"requests": 1, "unit": "Hour"}}])),
    Example(_T, _local(rules=[_rule(headers=[{"name": "x", "type": "Distinct"}], methods=["GET"])])),
    Example(_T, _local(rules=[_rule(sourceCIDR={"type": "Distinct"}, claims=[{"name": "sub", "exact": "a"}])])),
    Example(_T, _local(disable={})),
    Example(_T, _local(), "local"),
    Example(_T, _local(disable={}, tokenBucket=_BUCKET), "disable"),
    Example(_T, _local(tokenBucket={**_BUCKET, "fillInterval": "49ms"}), "fillInterval"),
    Example(_T, _local(tokenBucket={**_BUCKET, "maxTokens": 0}), "maxTokens"),
    Example(_T, _local(tokenBucket=_BUCKET, statusCode=200), "statusCode"),
    Example(_T, _local(rules=[{"name": "a", "limit": {"requests": 0, "unit": "Hour"}}]), "limit"),
    Example(_T, _local(rules=[{"name": "a", "limit": {"requests": 1, "unit": "Week"}}]), "unit"),
    Example(_T, _local(rules=[{"name": "a"}]), "rules"),
    Example(_T, _local(rules=[_rule()]), "clientSelectors"),
    Example(_T, _local(rules=[_rule(headers=[{"name": "x"}])]), "headers"),
    Example(_T, _local(rules=[_rule(headers=[{"name": "x", "type": "Distinct", "exact": "a"}])]), "headers"),
    Example(_T, _local(rules=[_rule(queryParams=[{"name": "x", "type": "Distinct", "invert": True}])]), "invert"),
    Example(_T, _local(rules=[_rule(sourceCIDR={})]), "value"),
    Example(_T, _local(rules=[_rule(claims=[{"name": "a", "exact": "b"}])], phase="BeforeAuth"), "rules"),
    Example(_T, _unit("admissionControl")),
    Example(_T, _unit("admissionControl", samplingWindow="1m", minSuccessRate=100, maxRejectionPercent=1)),
    Example(_T, _unit("admissionControl", successCriteria={"grpc": {"statusCodes": [0, 16]}, "http": _SUCCESS})),
    Example(_T, _unit("admissionControl", samplingWindow="1500ms"), "samplingWindow"),
    Example(_T, _unit("admissionControl", minSuccessRate=0), "minSuccessRate"),
    Example(_T, _unit("admissionControl", rejectionAggression=101), "rejectionAggression"),
    Example(_T, _unit("admissionControl", successCriteria={"grpc": {"statusCodes": [17]}}), "statusCodes"),
    Example(_T, _unit("admissionControl", successCriteria={"http": {"statusCodes": [{}]}}), "statusCodes"),
    Example(_T, _unit("admissionControl", disable={}, minSuccessRate=1), "disable"),
    Example(_T, _policy(statPrefix="{namespace}_{route}")),
    Example(_T, _policy(statPrefix=""), "statPrefix"),
    Example(_T, _policy(tracing={"randomSampling": "0.5%", "spanName": "%REQ(:METHOD)%"})),
    Example(_T, _policy(tracing={"attributes": [{"name": "a", "literal": {"value": "b"}}]})),
    Example(_T, _policy(tracing={"attributes": [{"name": "a", "format": "c", "requestHeader": {"name": "c"}}]}), "a"),
    Example(_T, _policy(tracing={"attributes": [{"name": "a"}]}), "attributes"),
    Example(_T, _policy(tracing={"disable": {}, "clientSampling": 1}), "disable"),
    Example(_T, _cors(disable={})),
    Example(_T, _cors(disable={}, allowOrigins=["*"]), "cors"),
    Example(_T, _unit("extAuth", extensionRef=_NAMED, contextExtensions={"a": "b"}, contextSecrets=[_TEXT])),
    Example(_T, _unit("extAuth", extensionRefs=[_NAMED, {"name": "a", "namespace": "b"}])),
    Example(_T, _unit("extAuth"), "extAuth"),
    Example(_T, _unit("extAuth", disable={}, extensionRef=_NAMED), "extAuth"),
    Example(_T, _unit("extAuth", extensionRefs=[_NAMED] * 2), "extensionRefs"),
    Example(_T, _unit("extAuth", extensionRef=_NAMED, contextExtensions={"c": ""}, contextSecrets=[_TEXT]), "context"),
    Example(_T, _unit("extAuth", extensionRef=_NAMED, withRequestBody={"maxRequestBytes": 0}), "maxRequestBytes"),
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
    Example(_T, _unit("jwtAuth", extensionRef=_NAMED, mode="AllowMissing", requireAll=True, audiences=["a"])),
    Example(_T, _unit("jwtAuth", disable={})),
    Example(_T, _unit("jwtAuth", providers=[_ISSUER])),
    Example(_T, _unit("jwtAuth"), "jwtAuth"),
    Example(_T, _unit("jwtAuth", mode="Strict"), "jwtAuth"),
    Example(_T, _unit("jwtAuth", disable={}, mode="Strict"), "jwtAuth"),
    Example(_T, _unit("jwtAuth", extensionRef=_NAMED, providers=[_ISSUER]), "jwtAuth"),
    Example(_T, _unit("jwtAuth", extensionRef=_NAMED, audiences=["a", "a"]), "audiences"),
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
    Example(_T, _unit("csrf", percentageEnabled="12.5%", percentageShadowed=100)),
    Example(_T, _unit("csrf", additionalOrigins=[{"exact": "a.com:80"}, {"suffix": ".b.com", "ignoreCase": True}])),
    Example(_T, _unit("csrf", percentageEnabled=101), "percentageEnabled"),
    Example(_T, _unit("csrf", percentageEnabled="a lot"), "percentageEnabled"),
    Example(_T, _unit("csrf", additionalOrigins=[{"exact": "https://a.com"}]), "additionalOrigins"),
    Example(_T, _unit("csrf", additionalOrigins=[{"exact": "a", "prefix": "b"}]), "additionalOrigins"),
    Example(_T, _unit("compression", responseCompression={"libraries": ["Gzip", "Zstd"], "level": 9})),
    Example(_T, _unit("compression", requestDecompression={"disable": {}}, responseCompression={"etag": "Skip"})),
    Example(_T, _unit("compression", responseCompression={"libraries": ["gzip"]}), "libraries"),
    Example(_T, _unit("compression", responseCompression={"libraries": []}), "libraries"),
    Example(_T, _unit("compression", responseCompression={"level": 10}), "level"),
    Example(_T, _unit("compression", responseCompression={"contentTypes": ["text"]}), "contentTypes"),
    Example(_T, _unit("faultInjection", delay={"fixedDelay": "1s", "percentage": "0.01%"}, maxActiveFaults=1)),
    Example(_T, _unit("faultInjection", abort={"grpcStatus": 14}, headers=[{"name": "x-a", "regex": ".+"}])),
    Example(_T, _unit("faultInjection", abort={"httpStatus": 503, "grpcStatus": 14}), "abort"),
    Example(_T, _unit("faultInjection", abort={"httpStatus": 204}), "httpStatus"),
    Example(_T, _unit("faultInjection", abort={"grpcStatus": 17}), "grpcStatus"),
    Example(_T, _unit("faultInjection", responseRateLimit={"kbitsPerSecond": 7}), "kbitsPerSecond"),
    Example(_T, _override(response={})),
    Example(_T, _override(response={"statusCode": 500, "body": {"inline": "x"}, "contentType": "text/html"})),
    Example(_T, _override(redirect={"hostname": "a.com", "scheme": "https", "port": 8443, "path": "/a?b=%20"})),
    Example(_T, _override(responseRef={"name": "a"})),
    Example(_T, _override(), "responseOverride"),
    Example(_T, _override(response={}, responseRef={"name": "a"}), "responseOverride"),
    Example(_T, _override(response={"body": {}}), "body"),
    Example(_T, _override(response={"statusCode": 204, "body": {"inline": "x"}}), "response"),
    Example(_T, _override(redirect={"port": 80, "path": "/"}), "redirect"),
    Example(_T, _override(redirect={"path": "//a.com"}), "path"),
    Example(_T, _match(statusCodes=[{"range": {"start": 400, "end": 499}}], source="Backend")),
    Example(_T, _match(responseHeaders=[{"name": "x-a", "exact": "b", "invert": True}])),
    Example(_T, _match(), "match"),
    Example(_T, _match(statusCodes=[{"range": {"start": 500, "end": 499}}]), "range"),
    Example(_T, _match(statusCodes=[{"value": 600}]), "value"),
    Example(_T, _unit("sessionPersistence", cookie={"name": "a", "lifetimeType": "Permanent"}, absoluteTimeout="1h")),
    Example(_T, _unit("sessionPersistence", type="Header", header={"name": "x-a"}, strict=True)),
    Example(_T, _unit("sessionPersistence", disable={})),
    Example(_T, _unit("sessionPersistence", disable={}, cookie={}), "sessionPersistence"),
    Example(_T, _unit("sessionPersistence", cookie={"lifetimeType": "Permanent"}), "sessionPersistence"),
    Example(_T, _unit("sessionPersistence", type="Cookie"), "sessionPersistence"),
    Example(_T, _unit("sessionPersistence", cookie={}, header={"name": "x-a"}), "sessionPersistence"),
)


def document(example: Example, namespace: str = "default") -> dict[str, Any]:
    """Return the object's manifest."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": example.kind,
        "metadata": {"name": "example", "namespace": namespace},
        "spec": example.spec,
    }


def label(example: Example) -> str:
    """Return a name for a test."""
    return f"{example.kind}-{str(example.spec)[:60]}"
