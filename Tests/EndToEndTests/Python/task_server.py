"""An MCP server of 2025-11-25 with tasks (stdio, on release 1.x of the PyPI package `mcp`): task_server.py [FOLDER].

Its one tool, `render`, runs only as a task: it asks whether to go on, unless its arguments say {"ask": false}, and ends
with the answer. With {"forever": true} it works until it is cancelled; with {"late": SECONDS} its task has no name until
then. With {"trace": NAME} it leaves the files NAME.called and NAME.stopped in FOLDER when it is called, and when its work
was stopped.
"""

import pathlib
import sys

import anyio
import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.experimental.tasks.helpers import cancel_task

server = Server("studio")
support = server.experimental.enable_tasks()
scopes = {}


def note(arguments, what):
    if "trace" in arguments:
        (pathlib.Path(sys.argv[1]) / f"{arguments['trace']}.{what}").touch()


@server.experimental.cancel_task()
async def cancel(request: types.CancelTaskRequest) -> types.CancelTaskResult:
    result = await cancel_task(support.store, request.params.taskId)
    scopes[request.params.taskId].cancel()
    return result


@server.list_tools()
async def list_tools():
    execution = types.ToolExecution(taskSupport=types.TASK_REQUIRED)
    return [types.Tool(name="render", inputSchema={"type": "object"}, execution=execution)]


@server.call_tool()
async def call_tool(name, arguments):
    context = server.request_context
    context.experimental.validate_task_mode(types.TASK_REQUIRED)
    note(arguments, "called")
    await anyio.sleep(arguments.get("late", 0))

    async def work(task):
        answer = "not asked"
        if arguments.get("forever"):
            with anyio.CancelScope() as scopes[task.task_id]:
                await anyio.sleep_forever()
            note(arguments, "stopped")
            # The package fails when what was cancelled ends with anything.
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
