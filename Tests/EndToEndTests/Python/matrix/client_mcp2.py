"""Runs cells of the matrix with the client of release 2.x of the PyPI package `mcp`: MCP 2026-07-28, and 2025-11-25.

Reads cells and prints their outcomes as `checks.py` says.
"""

import contextlib

import anyio
import checks
import mcp
import mcp_types as types
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

MODERN = "2026-07-28"


class Connection:
    def __init__(self, client, changes):
        self.client = client
        self.changes = changes
        self.revision = str(client.protocol_version)

    async def call(self, tool, arguments, on_progress=None):
        with refusals():
            return checks.plain(await self.client.call_tool(tool, arguments, progress_callback=on_progress))

    async def call_and_cancel(self, tool, arguments, started):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.client.call_tool, tool, arguments)
            await started()
            # The SDK tells the server: by closing the stream of the answer, on stdio by a notification.
            tasks.cancel_scope.cancel()

    async def tools(self):
        return checks.plain(await self.client.list_tools(cache_mode="bypass"))["tools"]

    async def resources(self):
        return checks.plain(await self.client.list_resources())["resources"]

    async def read(self, uri):
        with refusals():
            return checks.plain(await self.client.read_resource(uri))["contents"]

    @contextlib.asynccontextmanager
    async def tool_changes(self):
        if self.revision < MODERN:
            yield self.changes.receive
            return
        async with self.client.listen(tools_list_changed=True) as events:
            yield lambda: anext(events)


@contextlib.contextmanager
def refusals():
    try:
        yield
    except mcp.MCPError as error:
        raise checks.Refused(error.code, error.message) from error


async def on_elicitation(_context, params):
    return types.ElicitResult(**checks.answer(params.message))


async def on_sampling(_context, params):
    [message] = params.messages
    content = types.TextContent(type="text", text=checks.thought(message.content.text))
    return types.CreateMessageResult(role="assistant", content=content, model="none", stop_reason="endTurn")


@contextlib.asynccontextmanager
async def connect(revision, target):
    news, changes = anyio.create_memory_object_stream(100)

    async def on_message(message):
        if isinstance(message, types.ToolListChangedNotification):
            news.send_nowait(None)

    match target:
        case {"url": url}:
            transport = streamable_http_client(url)
        case {"command": [command, *arguments], "environment": environment}:
            transport = stdio_client(StdioServerParameters(command=command, args=arguments, env=environment))
    options = {"mode": "auto" if revision >= MODERN else "legacy", "message_handler": on_message}
    options |= {"elicitation_callback": on_elicitation, "sampling_callback": on_sampling}
    async with mcp.Client(transport, **options) as client:
        yield Connection(client, changes)


if __name__ == "__main__":
    checks.main(connect)
