"""Runs cells of the matrix with the client of release 1.x of the PyPI package `mcp`: revisions up to 2025-11-25.

Reads cells and prints their outcomes as `checks.py` says.
"""

import contextlib

import anyio
import checks
import mcp
import mcp.types as types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


class Connection:
    def __init__(self, session, revision, changes):
        self.session = session
        self.revision = revision
        self.changes = changes

    async def call(self, tool, arguments, on_progress=None):
        with refusals():
            return checks.plain(await self.session.call_tool(tool, arguments, progress_callback=on_progress))

    async def call_and_cancel(self, tool, arguments, started):
        request = self.session._request_id  # the SDK does not say otherwise what the next one will be
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.session.call_tool, tool, arguments)
            await started()
            params = types.CancelledNotificationParams(requestId=request, reason="no longer needed")
            notification = types.CancelledNotification(params=params)
            await self.session.send_notification(types.ClientNotification(notification))
            tasks.cancel_scope.cancel()

    async def tools(self):
        return checks.plain(await self.session.list_tools())["tools"]

    async def resources(self):
        return checks.plain(await self.session.list_resources())["resources"]

    async def read(self, uri):
        with refusals():
            return checks.plain(await self.session.read_resource(AnyUrl(uri)))["contents"]

    @contextlib.asynccontextmanager
    async def tool_changes(self):
        yield self.changes.receive


@contextlib.contextmanager
def refusals():
    try:
        yield
    except mcp.McpError as error:
        raise checks.Refused(error.error.code, error.error.message) from error


async def on_elicitation(_context, params):
    return types.ElicitResult(**checks.answer(params.message))


async def on_sampling(_context, params):
    [message] = params.messages
    content = types.TextContent(type="text", text=checks.thought(message.content.text))
    return types.CreateMessageResult(role="assistant", content=content, model="none", stopReason="endTurn")


@contextlib.asynccontextmanager
async def streams(target):
    match target:
        case {"events": url}:
            async with sse_client(url) as (reader, writer):
                yield reader, writer
        case {"url": url}:
            async with streamable_http_client(url) as (reader, writer, _):
                yield reader, writer
        case {"command": [command, *arguments], "environment": environment}:
            parameters = mcp.StdioServerParameters(command=command, args=arguments, env=environment)
            async with stdio_client(parameters) as (reader, writer):
                yield reader, writer


@contextlib.asynccontextmanager
async def connect(revision, target):
    # What the SDK asks for, and with that declares: a client of the time of `revision`.
    types.LATEST_PROTOCOL_VERSION = revision
    news, changes = anyio.create_memory_object_stream(100)

    async def on_message(message):
        if isinstance(message, types.ServerNotification):
            if isinstance(message.root, types.ToolListChangedNotification):
                news.send_nowait(None)

    callbacks = {"sampling_callback": on_sampling, "message_handler": on_message}
    if revision >= "2025-06-18":
        callbacks["elicitation_callback"] = on_elicitation
    async with streams(target) as (reader, writer), mcp.ClientSession(reader, writer, **callbacks) as session:
        initialized = await session.initialize()
        yield Connection(session, str(initialized.protocolVersion), changes)


if __name__ == "__main__":
    checks.main(connect)
