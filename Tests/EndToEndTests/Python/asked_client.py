"""The official client (PyPI `mcp`, releases 1.x and 2.x) with one call whose progress it hears, and in which it is asked.

    asked_client.py URL TOOL JSON

Prints {"result" or "error", "asked", "progress"}: the messages that its user was asked, each of which is accepted, and
[progress, total, message] of each notification.
"""

import asyncio
import json
import sys

import mcp
import mcp.types as types
from mcp.client.streamable_http import streamable_http_client

IS_ONE = not hasattr(mcp, "Client")
PROTOCOL_ERROR = mcp.McpError if IS_ONE else mcp.MCPError
asked, told = [], []


async def accept(context, params):
    asked.append(params.message)
    return types.ElicitResult(action="accept", content={"ok": True})


async def hear(progress, total, message):
    told.append([progress, total, message])


async def call(connection, tool, arguments):
    try:
        result = await connection.call_tool(tool, arguments, progress_callback=hear)
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except PROTOCOL_ERROR as error:
        return {"error": error.error.model_dump(mode="json", exclude_none=True)}


async def main(url, tool, arguments):
    if IS_ONE:
        async with streamable_http_client(url) as (reader, writer, _):
            async with mcp.ClientSession(reader, writer, elicitation_callback=accept) as session:
                await session.initialize()
                answer = await call(session, tool, arguments)
    else:
        async with mcp.Client(streamable_http_client(url), elicitation_callback=accept) as client:
            answer = await call(client, tool, arguments)
    print(json.dumps(answer | {"asked": asked, "progress": told}))


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])), 60))
