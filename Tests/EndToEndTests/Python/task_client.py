"""The official client of 2025-11-25 (release 1.x of the PyPI package `mcp`) with a tool called as a task.

    task_client.py URL TOOL JSON

Prints {"offered", "created", "result", "ended", "listed"}: what the server offers, the task as it was made, its result,
its last state, and the ids of the session's tasks. What is asked for meanwhile is accepted.
"""

import asyncio
import json
import sys

import mcp
import mcp.types as types
from mcp.client.streamable_http import streamable_http_client


async def accept(context, params):
    return types.ElicitResult(action="accept", content={"ok": True})


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def main(url, tool, arguments):
    async with streamable_http_client(url) as (reader, writer, _):
        async with mcp.ClientSession(reader, writer, elicitation_callback=accept) as session:
            offered = await session.initialize()
            created = await session.experimental.call_tool_as_task(tool, arguments)
            task = created.task.taskId
            result = await session.experimental.get_task_result(task, types.CallToolResult)
            ended = await session.experimental.get_task(task)
            listed = await session.experimental.list_tasks()
            said = {
                "offered": plain(offered.capabilities), "created": plain(created.task), "result": plain(result),
                "ended": plain(ended), "listed": [task.taskId for task in listed.tasks],
            }
            print(json.dumps(said))


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])), 60))
