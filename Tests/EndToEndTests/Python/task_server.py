"""An MCP server of 2025-11-25 with tasks (stdio, on release 1.x of the PyPI package `mcp`).

Its one tool, `render`, runs only as a task: it asks whether to go on, unless its arguments say {"ask": false}, and ends
with the answer. With {"forever": true} it works until it is cancelled.
"""

import anyio
import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

server = Server("studio")
server.experimental.enable_tasks()


@server.list_tools()
async def list_tools():
    execution = types.ToolExecution(taskSupport=types.TASK_REQUIRED)
    return [types.Tool(name="render", inputSchema={"type": "object"}, execution=execution)]


@server.call_tool()
async def call_tool(name, arguments):
    context = server.request_context
    context.experimental.validate_task_mode(types.TASK_REQUIRED)

    async def work(task):
        answer = "not asked"
        if arguments.get("forever"):
            await anyio.sleep_forever()
        if arguments.get("ask", True):
            schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
            answer = (await task.elicit(message="Go on?", requestedSchema=schema)).action
        return types.CallToolResult(content=[types.TextContent(type="text", text=answer)])

    return await context.experimental.run_task(work)


async def main():
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


anyio.run(main)
