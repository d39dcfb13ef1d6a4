"""Backends in AWS: functions of Lambda, instances of EC2, and by which credentials AWS is asked."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import (
    AWS_ACCOUNT,
    AWS_ENDPOINT,
    AWS_EXTERNAL_ID,
    AWS_FUNCTION,
    AWS_QUALIFIER,
    AWS_REGION,
    AWS_ROLE,
    AWS_SESSION,
    AWS_TAG_KEY,
    AWS_TAG_VALUE,
    Namespace,
    ObjectName,
    PortNumber,
)

AccountId = Annotated[str, StringConstraints(pattern=AWS_ACCOUNT)]
Region = Annotated[str, StringConstraints(pattern=AWS_REGION, max_length=32)]
FunctionName = Annotated[str, StringConstraints(pattern=AWS_FUNCTION)]
Qualifier = Annotated[str, StringConstraints(pattern=AWS_QUALIFIER)]
RoleArn = Annotated[str, StringConstraints(pattern=AWS_ROLE, max_length=600)]
SessionName = Annotated[str, StringConstraints(pattern=AWS_SESSION)]
ExternalId = Annotated[str, StringConstraints(min_length=2, max_length=1224, pattern=AWS_EXTERNAL_ID)]
EndpointUrl = Annotated[str, StringConstraints(pattern=AWS_ENDPOINT, max_length=512)]

DEFAULT_REGION: Final = "us-east-1"


class AwsSecretReference(Fields):
    """Names a Secret with the keys `accessKey` and `secretKey`, and `sessionToken` for a temporary credential."""

    name: ObjectName
    """The name of the Secret."""
    namespace: Namespace | None = None
    """Its namespace, by default that of the Backend; in another one a ReferenceGrant has to permit it."""


class AssumeRole(Fields):
    """A role that the proxies, or Headgate for `ec2`, assume by the credentials that they find themselves."""

    role_arn: Annotated[RoleArn, Doc(envoy="AssumeRoleCredentialProvider.role_arn")]
    """The role."""
    external_id: Annotated[ExternalId | None, Doc(envoy="AssumeRoleCredentialProvider.external_id")] = None
    """What the role asks for, if it is of another account."""
    session_name: Annotated[SessionName | None, Doc(envoy="AssumeRoleCredentialProvider.role_session_name")] = None
    """The name of the sessions."""


class AwsAuth(CheckedFields):
    """By which credentials requests are signed; without any, those that proxies find: environment, pod, instance.

    For `ec2` it is Headgate that asks AWS, and that finds them.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.secretRef) != has(self.assumeRole)", "exactly one of secretRef and assumeRole must be set"),
        CelRule(
            "!has(self.type) || (self.type == 'Secret') == has(self.secretRef)",
            "must be Secret exactly where secretRef is set: correct it, or remove it",
            "type",
        ),
    )

    type: Literal["Secret", "AssumeRole"] | None = None
    """Which member is set; it need not be given."""
    secret_ref: Annotated[AwsSecretReference | None, Doc(envoy="AwsCredentialProvider.inline_credential")] = None
    """A Secret with keys of AWS."""
    assume_role: AssumeRole | None = None
    """A role."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set, and the type agrees."""
        if (self.secret_ref is None) == (self.assume_role is None):
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the other")
        elif self.type is not None and (self.type == "Secret") != (self.secret_ref is not None):
            yield FieldViolation(("type",), self.rules[1].message)


class AwsLambda(Fields):
    """A function of AWS Lambda."""

    function_name: Annotated[FunctionName, Doc(envoy="aws_lambda.Config.arn")]
    """The name of the function."""
    qualifier: Annotated[Qualifier | None, Doc(envoy="aws_lambda.Config.arn", default="$LATEST")] = None
    """The version or alias."""
    account_id: Annotated[AccountId | None, Doc(envoy="aws_lambda.Config.arn")] = None
    """The account of the function, if it is not `accountId` of the backend."""
    invocation_mode: Annotated[
        Literal["Sync", "Async"] | None, Doc(envoy="aws_lambda.Config.invocation_mode", default="Sync")
    ] = None
    """Whether clients get the function's response, or 202 as soon as it is invoked."""
    payload_transform_mode: Annotated[
        Literal["Envoy", "None"] | None, Doc(envoy="aws_lambda.Config.payload_passthrough", default="Envoy")
    ] = None
    """With Envoy, the function gets the request as JSON, with method, path, headers and body, and answers with status,
    headers and body in JSON. With None it gets the body as it is, and clients get what it returns."""
    endpoint_url: Annotated[
        EndpointUrl | None,
        Field(alias="endpointURL"),
        Doc(envoy="Cluster.load_assignment", default="AWS's own in the region"),
    ] = None
    """Where Lambda is, if it is not AWS itself or a private endpoint of it is used: its host is what is signed. It
    may be http unless it is a host of AWS."""


TagKey = Annotated[str, StringConstraints(pattern=AWS_TAG_KEY, max_length=128)]
TagValue = Annotated[str, StringConstraints(pattern=AWS_TAG_VALUE, max_length=256)]


class TagWithValue(Fields):
    """A tag with its value."""

    key: Annotated[TagKey, Doc(envoy="ClusterLoadAssignment.endpoints")]
    """The key of the tag."""
    value: Annotated[TagValue, Doc(envoy="ClusterLoadAssignment.endpoints")]
    """Its value, letter by letter: there are no wildcards."""


class TagFilter(CheckedFields):
    """A tag that instances have."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.key) != has(self.keyValue)", "must have exactly one of key and keyValue"),
    )

    key: Annotated[TagKey | None, Doc(envoy="ClusterLoadAssignment.endpoints")] = None
    """The key of a tag, whatever its value."""
    key_value: TagWithValue | None = None
    """A tag with its value."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if (self.key is None) == (self.key_value is None):
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the other")


class AwsEc2(Fields):
    """The running instances of Amazon EC2 that have tags."""

    port: Annotated[PortNumber | None, Doc(envoy="LbEndpoint.endpoint", default="80")] = None
    """The port of all instances."""
    address_type: Annotated[
        Literal["PrivateIP", "PublicIP"] | None, Doc(envoy="LbEndpoint.endpoint", default="PrivateIP")
    ] = None
    """Which address of an instance is connected to: that in its network, or that in the Internet."""
    filters: Annotated[tuple[TagFilter, ...], Field(min_length=1, max_length=16)]
    """The tags of which an instance must have all."""


class AwsBackend(CheckedFields):
    """What is in AWS."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.lambda) != has(self.ec2)", "exactly one of lambda and ec2 must be set"),
        CelRule(
            "!has(self.lambda) || has(self.accountId) || has(self.lambda.accountId)",
            "is required for lambda: add it, here or in lambda",
            "accountId",
        ),
    )

    region: Annotated[Region | None, Doc(envoy="AwsRequestSigning.region", default=DEFAULT_REGION)] = None
    """The region."""
    account_id: Annotated[AccountId | None, Doc(envoy="aws_lambda.Config.arn")] = None
    """The account of the function."""
    auth: AwsAuth | None = None
    """By which credentials requests are signed, or instances are asked for."""
    lambda_: Annotated[AwsLambda | None, Field(alias="lambda")] = None
    """A function of Lambda."""
    ec2: AwsEc2 | None = None
    """Instances of EC2."""

    @property
    def account(self) -> str:
        """The account of the function."""
        return (self.lambda_.account_id if self.lambda_ is not None else None) or self.account_id or ""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set, and the account of the function is given."""
        if (self.lambda_ is None) == (self.ec2 is None):
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the other")
        elif self.lambda_ is not None and not self.account:
            yield FieldViolation(("accountId",), self.rules[1].message)
