"""An MCP server of 2026-07-28 with the tasks extension (stdio, on release 2.x of the PyPI package `mcp`):
modern_task_server.py FOLDER.

The package has extensions but not this one, so its methods are here. The one tool, `render`, becomes a task for callers who
know tasks, and works until it is cancelled; the rest is as in task_server.py.
"""

import asyncio
import datetime
import pathlib
import sys
import uuid
from typing import Any

from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import MCPServer
from mcp_types import RequestParams

TASKS = "io.modelcontextprotocol/tasks"


class TaskParams(RequestParams):
    task_id: str


class Tasks(Extension):
    identifier = TASKS

    def __init__(self):
        self.running = {}
        self.states = {}

    def methods(self):
        return [MethodBinding("tasks/get", TaskParams, self.get), MethodBinding("tasks/cancel", TaskParams, self.cancel)]

    async def intercept_tool_call(self, params, ctx, call_next):
        arguments = params.arguments or {}
        note(arguments, "called")
        await asyncio.sleep(arguments.get("late", 0))
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        state = {
            "taskId": str(uuid.uuid4()), "status": "working", "createdAt": now, "lastUpdatedAt": now,
            "ttlMs": 600_000, "pollIntervalMs": 100,
        }
        self.states[state["taskId"]] = state
        self.running[state["taskId"]] = asyncio.create_task(work(arguments))
        return {**state, "resultType": "task"}

    async def get(self, ctx, params) -> dict[str, Any]:
        return {**self.states[params.task_id], "resultType": "complete"}

    async def cancel(self, ctx, params) -> dict[str, Any]:
        self.states[params.task_id]["status"] = "cancelled"
        self.running[params.task_id].cancel()
        return {"resultType": "complete"}


def note(arguments, what):
    if "trace" in arguments:
        (pathlib.Path(sys.argv[1]) / f"{arguments['trace']}.{what}").touch()


async def work(arguments):
    try:
        await asyncio.Event().wait()
    finally:
        note(arguments, "stopped")


server = MCPServer("studio", extensions=[Tasks()], log_level="ERROR")


@server.tool()
async def render() -> str:
    """Is made a task of."""
    return "not a task"


server.run("stdio")
