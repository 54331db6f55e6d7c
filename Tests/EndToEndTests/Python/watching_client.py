"""The official MCP client, watching one resource: prints a line of JSON for each thing that happens.

    watching_client.py URL URI COUNT        {"watching": URI} once the server agreed, {"updated": URI} COUNT times, then ends

Release 2.x of the PyPI package `mcp` listens (2026-07-28), release 1.x subscribes and unsubscribes in a session (2025-11-25).
Exit status: 0 all came, 1 refused (with {"error": {"code", "message"}}) or not all came in time, 64 wrong use.
"""

import asyncio
import json
import sys

import mcp
from mcp.client.streamable_http import streamable_http_client

IS_ONE = not hasattr(mcp, "Client")
PROTOCOL_ERROR = mcp.McpError if IS_ONE else mcp.MCPError
PATIENCE = 60  # seconds, for everything


def say(**what):
    print(json.dumps(what), flush=True)


async def legacy(url, uri, count):
    updates = asyncio.Queue()

    async def hear(message):
        root = getattr(message, "root", None)
        if isinstance(root, mcp.types.ResourceUpdatedNotification):
            await updates.put(str(root.params.uri))

    async with streamable_http_client(url) as (reader, writer, _):
        async with mcp.ClientSession(reader, writer, message_handler=hear) as session:
            offered = (await session.initialize()).capabilities.resources
            if not (offered and offered.subscribe):
                raise SystemExit("the server does not declare subscriptions")
            await session.subscribe_resource(uri)
            say(watching=uri)
            for _ in range(count):
                say(updated=await updates.get())
            await session.unsubscribe_resource(uri)


async def modern(url, uri, count):
    async with mcp.Client(streamable_http_client(url)) as client:
        async with client.listen(resource_subscriptions=[uri]) as listen:
            honoured = listen.honored.resource_subscriptions or []
            if honoured != [uri]:
                raise SystemExit(f"honoured is {honoured}")
            say(watching=uri)
            for _ in range(count):
                say(updated=(await anext(listen)).uri)


def leaf(error):
    """The one error inside groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def main(url, uri, count):
    try:
        await asyncio.wait_for((legacy if IS_ONE else modern)(url, uri, int(count)), PATIENCE)
    except BaseException as error:
        error = leaf(error)
        if not isinstance(error, PROTOCOL_ERROR):
            raise
        say(error={"code": error.error.code, "message": error.error.message})
        raise SystemExit(1)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(64)
    asyncio.run(main(*sys.argv[1:]))
