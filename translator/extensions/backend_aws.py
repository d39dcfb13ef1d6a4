"""Backends in AWS: functions of Lambda, and instances of EC2."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from translator.backends.guarded import address_fault
from translator.backends.host_names import absolute
from translator.db import Db
from translator.extensions import aws_ec2
from translator.extensions.aws_lambda import LambdaFunction
from translator.extensions.backend_guard import GuardedHosts
from translator.extensions.backend_members import BackendMember
from translator.extensions.upstream_tls import BackendTls
from translator.gateway.secrets import referenced_secret, secret_value
from translator.ir.aws import InlineKeys, InstanceQuery, Role
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, BackendSetting, Protocol
from translator.objects.headgate.awsbackend import DEFAULT_REGION, AwsAuth, AwsBackend, AwsEc2, AwsSecretReference
from translator.objects.headgate.references import SecretReference
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref

AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
"""What the names of AWS's own hosts end with."""
CHINA: Final = "cn-"
KEYS: Final = ("accessKey", "secretKey")
TOKEN: Final = "sessionToken"  # the name of a key


def read(db: Db, ref: Ref, found: AwsBackend) -> Outcome[Backend | None]:
    """Return the backend that a function is, or instances are."""
    if found.ec2 is None:
        return _function(db, ref, found)
    asked = _query(db, ref, found, found.ec2)
    if asked.value is None:
        return Outcome(None, asked.problems)
    return aws_ec2.read(db, ref, found.ec2, asked.value)


def endpoints(db: Db, ref: Ref, found: AwsBackend) -> tuple[BackendEndpoint, ...]:
    """Return the instances; of a function, the cluster has its endpoint itself."""
    asked = _query(db, ref, found, found.ec2).value if found.ec2 is not None else None
    return aws_ec2.endpoints(db, found.ec2, asked) if found.ec2 is not None and asked is not None else ()


def _query(db: Db, ref: Ref, found: AwsBackend, ec2: AwsEc2) -> Outcome[InstanceQuery | None]:
    credentials = _credentials(db, ref, found.auth)
    if credentials.problems:
        return Outcome(None, credentials.problems)
    return Outcome(aws_ec2.query(ec2, found.region or DEFAULT_REGION, credentials.value))


def _function(db: Db, ref: Ref, found: AwsBackend) -> Outcome[Backend | None]:
    """Return the backend that a function is; none if requests cannot be signed as asked, or could go astray."""
    region, asked = found.region or DEFAULT_REGION, found.lambda_
    assert asked is not None, "by the rules of the kind"
    place = _endpoint(db, asked.endpoint_url, region)
    if isinstance(place, Problem):
        return Outcome(None, (place,))
    encrypted, host, port = place
    credentials = _credentials(db, ref, found.auth)
    if credentials.problems:
        return Outcome(None, credentials.problems)
    partition = "aws-cn" if region.startswith(CHINA) else "aws"
    name = f"{asked.function_name}:{asked.qualifier or '$LATEST'}"
    function = LambdaFunction(
        f"arn:{partition}:lambda:{region}:{found.account}:function:{name}",
        region,
        host if port == (443 if encrypted else 80) else f"{host}:{port}",
        credentials.value,
        passthrough=asked.payload_transform_mode == "None",
        asynchronous=asked.invocation_mode == "Async",
    )
    settings: tuple[BackendSetting, ...] = (function, *((BackendTls(host),) if encrypted else ()))
    if asked.endpoint_url is not None and not is_ip_address(host) and not db.settings.local_backends:
        settings += (GuardedHosts(),)
    return Outcome(Backend(BackendKey(*ref), port, Protocol.HTTP1.value, absolute(db.settings, host), settings))


def _endpoint(db: Db, url: str | None, region: str) -> tuple[bool, str, int] | Problem:
    """Return whether connections to Lambda are encrypted, its host and its port; or what is wrong with them."""
    if url is None:
        suffix = "amazonaws.com.cn" if region.startswith(CHINA) else "amazonaws.com"
        return True, f"lambda.{region}.{suffix}", 443
    field = "lambda.endpointURL"
    try:
        parts = urlsplit(url)
        encrypted, host = parts.scheme == "https", (parts.hostname or "").removesuffix(".")
        port = parts.port or (443 if encrypted else 80)
    except ValueError:
        return _invalid(f"{field}: {url} is no URL; write one like https://lambda.us-east-1.amazonaws.com.")
    if not host:
        return _invalid(f"{field}: {url} has no host; write one like https://lambda.us-east-1.amazonaws.com.")
    if not encrypted and host.endswith(AWS):
        return _invalid(f"{field}: {host} is a host of AWS, which is spoken to by https only; change the scheme.")
    if fault := address_fault(db.settings, host, port):
        return _invalid(f"{field}: {fault}.")
    return encrypted, host, port


def _credentials(db: Db, ref: Ref, auth: AwsAuth | None) -> Outcome[InlineKeys | Role | None]:
    if auth is None:
        return Outcome(None)
    if auth.assume_role is not None:
        role = auth.assume_role
        return Outcome(Role(role.role_arn, role.external_id or "", role.session_name or ""))
    assert auth.secret_ref is not None
    return aws_keys(db, ref, auth.secret_ref, "auth.secretRef")


def aws_keys(db: Db, ref: Ref, reference: AwsSecretReference, field: str) -> Outcome[InlineKeys | None]:
    """Return the keys in a Secret that a Backend refers to, in a field; a new value makes another cluster."""
    named = SecretReference(name=reference.name, namespace=reference.namespace)
    needed = gather(referenced_secret(db, ref, named, key, field) for key in KEYS)
    if needed.problems:
        return Outcome(None, needed.problems[:1])
    token = referenced_secret(db, ref, named, TOKEN, field).value
    values = []
    for each in (*needed.value, token):
        value = (secret_value(db, each) or b"").strip() if each is not None else b""
        if each is not None and not all(0x20 < byte < 0x7F for byte in value):
            text = (
                f"{field}: Secret {each.namespace}/{each.name}: its key {each.key} has characters that no key of AWS "
                f"has; correct it."
            )
            return Outcome(None, (_invalid(text),))
        values.append(value.decode())
    if not values[0] or not values[1]:
        return Outcome(None, (_invalid(f"{field}: the keys accessKey and secretKey must not be empty; set them."),))
    return Outcome(InlineKeys(*values))


def _invalid(text: str) -> Problem:
    return Problem("Accepted", "Invalid", text)


MEMBER: Final = BackendMember("aws", read, endpoints, connections=lambda found: found.ec2 is not None)
