"""Asks AWS for instances, in threads of their own: botocore, AWS's own client, waits for each answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from typing import Any, Final

from translator.ir.aws import FoundInstances, InlineKeys, Instance, InstanceQuery, Role
from watchers.background import in_thread
from watchers.polling import PollError

MOST_CALLS: Final = 4
"""Most queries at once."""
MOST_INSTANCES: Final = 1000
"""Most instances of a query; the others are left out, which its error says."""
PAGE: Final = 1000
"""Instances of a page: the most that EC2 has on one."""
MOST_PAGES: Final = 20
"""Most pages of an answer that are read."""
MOST_CLIENTS: Final = 16
"""Most clients that are kept for the next question: each has some megabytes of descriptions of AWS."""
CONNECT_SECONDS: Final = 5.0
"""Seconds until a connection to AWS must be there."""
READ_SECONDS: Final = 10.0
"""Seconds until AWS must have sent a part of its answer."""
ATTEMPTS: Final = 2
"""Attempts of a request to AWS; after that, the whole query is asked again later."""
EARLIER_SECONDS: Final = 300.0
"""Seconds before a role's credentials end at which new ones are asked for."""
MOST_CHARACTERS: Final = 200
"""Most characters of an error that are told."""
SESSION: Final = "headgate"
"""The name of the sessions of roles that set none."""
INSTALL: Final = "botocore is not installed: install it where Headgate runs, by `pip install 'headgate[aws]'`"


class InstanceClient:
    """Asks AWS for the running instances that have given tags.

    Where AWS is, and which credentials are used where a query has none, is what botocore finds: environment variables
    such as `AWS_ENDPOINT_URL_EC2`, the files of the AWS CLI, the pod's identity, the instance's role.
    """

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MOST_CALLS)
        self._lock = threading.Lock()  # sessions are for one thread at a time, clients are not
        self._session: Any = None
        self._clients: OrderedDict[tuple[str, InlineKeys | Role | None], tuple[Any, float]] = OrderedDict()

    async def fetch(self, asked: InstanceQuery) -> FoundInstances:
        """Ask for instances.

        Raises:
            PollError: AWS could not be asked, or refused the question.
        """
        await self._turns.acquire()
        # The turn is over when the thread is, not when nobody waits for it any more.
        return await in_thread(lambda: self._ask(asked), self._turns.release)

    def _ask(self, asked: InstanceQuery) -> FoundInstances:
        try:
            import botocore.session  # noqa: F401 - slow to import, and not always there
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise PollError(INSTALL) from None
        try:
            return self._instances(asked)
        except ClientError as error:
            # The message may hold what was signed, such as a session token.
            code = str(error.response.get("Error", {}).get("Code", "an error"))[:MOST_CHARACTERS]
            raise PollError(f"AWS refused {error.operation_name}: {code}") from None
        except BotoCoreError as error:
            raise PollError(_reason(error)) from None
        except Exception as error:
            # Whatever a file of the AWS CLI or a proxy's answer has botocore raise: it must not end Headgate.
            raise PollError(f"AWS could not be asked: {type(error).__name__}") from None

    def _instances(self, asked: InstanceQuery) -> FoundInstances:
        client = self._client(asked)
        request: dict[str, Any] = {"Filters": filters(asked), "MaxResults": PAGE}
        found: dict[str, Instance] = {}
        for _ in range(MOST_PAGES):
            answer = client.describe_instances(**request)
            for each in (each for group in answer.get("Reservations", ()) for each in group.get("Instances", ())):
                if has_tags(each, asked):
                    found[each["InstanceId"]] = _instance(each)
            request["NextToken"] = answer.get("NextToken")
            if not request["NextToken"] or len(found) > MOST_INSTANCES:
                break
        chosen = tuple(found[each] for each in sorted(found)[:MOST_INSTANCES])
        too_many = len(found) > MOST_INSTANCES or request["NextToken"]
        error = f"more than {len(chosen)} instances match, some are left out; add filters" if too_many else ""
        return FoundInstances(chosen, error)

    def _client(self, asked: InstanceQuery) -> Any:
        """Return a client of EC2, that of before while its credentials are good."""
        key = asked.region, asked.credentials
        with self._lock:
            client, until = self._clients.pop(key, (None, 0.0))
            if client is None or time.time() >= until:
                client, until = self._made(asked)
            self._clients[key] = client, until
            while len(self._clients) > MOST_CLIENTS:
                self._clients.popitem(last=False)
        return client

    def _made(self, asked: InstanceQuery) -> tuple[Any, float]:
        """Return a new client, and the time at which its credentials end."""
        if asked.credentials is None:
            return self._service("ec2", asked.region, None), float("inf")
        if isinstance(asked.credentials, InlineKeys):
            return self._service("ec2", asked.region, asked.credentials), float("inf")
        role = asked.credentials
        request = {"RoleArn": role.arn, "RoleSessionName": role.session_name or SESSION}
        if role.external_id:
            request["ExternalId"] = role.external_id
        given = self._service("sts", asked.region, None).assume_role(**request)["Credentials"]
        keys = InlineKeys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return self._service("ec2", asked.region, keys), given["Expiration"].timestamp() - EARLIER_SECONDS

    def _service(self, name: str, region: str, keys: InlineKeys | None) -> Any:
        import botocore.session
        from botocore.config import Config

        if self._session is None:
            self._session = botocore.session.Session()
        limits = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=MOST_CALLS,
        )
        given = (keys.access_key, keys.secret_key, keys.session_token or None) if keys is not None else (None,) * 3
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return self._session.create_client(
            name, region_name=region, config=limits, **dict(zip(names, given, strict=True))
        )


def filters(asked: InstanceQuery) -> list[dict[str, Any]]:
    """Return the filters of a request; what would be wildcards in them is escaped."""
    made: list[dict[str, Any]] = [{"Name": "instance-state-name", "Values": ["running"]}]
    for key, value in asked.tags:
        name, text = ("tag-key", key) if value is None else (f"tag:{key}", value)
        made.append({"Name": name, "Values": [_literal(text)]})
    return made


def has_tags(instance: dict[str, Any], asked: InstanceQuery) -> bool:
    """Return whether an instance that AWS has named runs and has exactly the tags, however AWS compares them."""
    tags = {each["Key"]: each["Value"] for each in instance.get("Tags", ())}
    running = instance.get("State", {}).get("Name") == "running"
    return running and all(key in tags and value in (None, tags[key]) for key, value in asked.tags)


def _literal(text: str) -> str:
    return "".join(f"\\{each}" if each in "\\*?" else each for each in text)


def _instance(found: dict[str, Any]) -> Instance:
    zone = found.get("Placement", {}).get("AvailabilityZone") or ""
    return Instance(found["InstanceId"], found.get("PrivateIpAddress") or "", found.get("PublicIpAddress") or "", zone)


def _reason(error: Exception) -> str:
    """Return what is wrong in words, without what botocore may quote of credentials."""
    from botocore.exceptions import ConnectionError, HTTPClientError, NoCredentialsError

    if isinstance(error, NoCredentialsError):
        return "there are no credentials of AWS: set auth, or give Headgate some"
    if isinstance(error, ConnectionError | HTTPClientError):
        return " ".join(str(error).split())[:MOST_CHARACTERS].rstrip(".")
    return f"AWS could not be asked: {type(error).__name__}"
