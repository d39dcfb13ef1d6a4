"""Agents that speak A2A, and clients of them: the SDK of the protocol on both sides."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from a2a.client import ClientConfig, create_client
from a2a.helpers import get_message_text, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    Role,
    SendMessageRequest,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette

from tests.live.asgi import served_application
from tests.live.backends import backend
from tests.live.objects import Manifest
from tests.ports import free_port


class Echo(AgentExecutor):
    """Tells what it was told: at once, or as a task of several steps if that is what it is told."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer a message."""
        said = get_message_text(context.message) if context.message is not None else ""
        if said != "work":
            await event_queue.enqueue_event(new_text_message(f"echo: {said}", role=Role.ROLE_AGENT))
            return
        assert context.task_id is not None
        assert context.context_id is not None
        submitted = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
        await event_queue.enqueue_event(Task(id=context.task_id, context_id=context.context_id, status=submitted))
        task = TaskUpdater(event_queue, context.task_id, context.context_id)
        await task.start_work()
        await task.add_artifact([Part(text="done")])
        await task.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Cancel a task."""
        raise NotImplementedError


@contextlib.asynccontextmanager
async def running_agent(path: str = "/") -> AsyncIterator[int]:
    """Run an agent, whose card has its own address, and has its calls at a path; yield the port."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{path}"
    skill = AgentSkill(id="echo", name="Echo", description="Tells what it was told", tags=["test"])
    card = AgentCard(
        name="echo",
        description="Tells what it was told",
        version="1",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version) for version in ("1.0", "0.3")
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[skill],
    )
    handler = DefaultRequestHandlerV2(Echo(), InMemoryTaskStore(), card)
    routes = [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, path, enable_v0_3_compat=True)]
    async with served_application(Starlette(routes=routes), port):
        yield port


async def ask(url: str, text: str, *, streaming: bool = True) -> list[str]:
    """Ask an agent, whose card is read below a URL; return what it answers, message by message."""
    client = await create_client(url, ClientConfig(streaming=streaming))
    async with client:
        request = SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))
        return [_told(each) async for each in client.send_message(request)]


def _told(response: Any) -> str:
    kind = response.WhichOneof("payload")
    if kind == "message":
        return get_message_text(response.message)
    if kind == "artifact_update":
        return "".join(each.text for each in response.artifact_update.artifact.parts)
    if kind == "status_update":
        return str(TaskState.Name(response.status_update.status.state))
    return str(kind)


def agent(port: int, name: str = "agent", **fields: Any) -> Manifest:
    """Return a Backend that is an agent on this machine."""
    return backend(name, a2a={"host": "127.0.0.1", "port": port, **fields})
