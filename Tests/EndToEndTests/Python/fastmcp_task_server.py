"""A FastMCP server with the tasks extension (stdio, on the PyPI package `fastmcp-tasks`): fastmcp_task_server.py FOLDER.

Its one tool, `render`, becomes a task for callers who know tasks, and works until it is cancelled; the rest is as in
task_server.py.
"""

import asyncio
import pathlib
import sys

from fastmcp import FastMCP
from fastmcp.server.middleware import Middleware
from fastmcp_tasks import TasksExtension


def note(trace, what):
    (pathlib.Path(sys.argv[1]) / f"{trace}.{what}").touch()


class Late(Middleware):
    async def on_call_tool(self, context, call_next):
        note(context.message.arguments["trace"], "called")
        await asyncio.sleep(context.message.arguments["late"])
        return await call_next(context)


server = FastMCP("studio", middleware=[Late()])
server.add_extension(TasksExtension())


@server.tool(task=True)
async def render(trace: str, late: float, forever: bool) -> str:
    """Works until it is cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        note(trace, "stopped")


server.run("stdio", show_banner=False)
