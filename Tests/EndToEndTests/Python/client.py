"""The official MCP client, as a program: connects to a Streamable HTTP endpoint and prints what it gets as JSON.

    client.py list URL                  {"tools": [...]}
    client.py call URL TOOL [JSON]      {"result": {...}} or {"error": {"code", "message", "data"}}
    client.py info URL                  {"revision", "serverInfo", "instructions"}
    client.py run URL                   one command a line on stdin, as JSON: ["list"], ["call", TOOL, {...}], ["info"];
                                        one answer a line, each with "seconds", over one connection

Runs on releases 1.x and 2.x of the PyPI package `mcp`; 2.x speaks the modern revision where the server does.
`BEARER_TOKEN` in the environment is sent as the credential. Exit status: 0 answered, 1 answered with an error, 2 no
connection or no sense in what came, 64 wrong use.
"""

import asyncio
import contextlib
import json
import os
import sys
import time

import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

IS_ONE = not hasattr(mcp, "Client")
PROTOCOL_ERROR = mcp.McpError if IS_ONE else mcp.MCPError
PAGES_MAX = 1_000  # a server whose cursors never end is broken


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class One:
    """Release 1.x: a session over a transport, initialized by hand."""

    def __init__(self, session, initialized):
        self.session = session
        self.initialized = initialized

    @staticmethod
    @contextlib.asynccontextmanager
    async def connect(url, http):
        async with streamable_http_client(url, http_client=http) as (reader, writer, _):
            async with mcp.ClientSession(reader, writer) as session:
                yield One(session, await session.initialize())

    async def page(self, cursor):
        params = mcp.types.PaginatedRequestParams(cursor=cursor) if cursor else None
        return await self.session.list_tools(params=params)

    async def call(self, tool, arguments):
        return await self.session.call_tool(tool, arguments)

    def info(self):
        said = plain(self.initialized)
        return {
            "revision": said["protocolVersion"],
            "serverInfo": said["serverInfo"],
            "instructions": said.get("instructions"),
        }


class Two:
    """Release 2.x: a client that finds the era out by itself."""

    def __init__(self, client):
        self.client = client

    @staticmethod
    @contextlib.asynccontextmanager
    async def connect(url, http):
        async with mcp.Client(streamable_http_client(url, http_client=http)) as client:
            yield Two(client)

    async def page(self, cursor):
        return await self.client.list_tools(cursor=cursor)

    async def call(self, tool, arguments):
        return await self.client.call_tool(tool, arguments)

    def info(self):
        server = self.client.server_info
        return {
            "revision": str(self.client.protocol_version),
            "serverInfo": plain(server) if server else None,
            "instructions": self.client.instructions,
        }


async def tools(connection):
    listed, cursor = [], None
    for _ in range(PAGES_MAX):
        page = plain(await connection.page(cursor))
        listed += page["tools"]
        cursor = page.get("nextCursor")
        if cursor is None:
            return listed
    raise ValueError(f"the list of tools has more than {PAGES_MAX} pages")


async def answer(connection, command):
    """The answer to one command, and whether it went well."""
    try:
        match command:
            case ["list"]:
                return {"tools": await tools(connection)}, True
            case ["info"]:
                return connection.info(), True
            case ["call", str(tool)] | ["call", str(tool), dict()]:
                arguments = command[2] if len(command) > 2 else {}
                result = plain(await connection.call(tool, arguments))
                return {"result": result}, not result.get("isError", False)
            case _:
                raise SystemExit(usage())
    except PROTOCOL_ERROR as failure:
        return {"error": plain(failure.error)}, False


def usage():
    print(__doc__, file=sys.stderr)
    return 64


def show(value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


async def serve_lines(connection):
    went_well = True
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        start = time.perf_counter()
        said, is_well = await answer(connection, json.loads(line))
        went_well = went_well and is_well
        show({**said, "seconds": time.perf_counter() - start})
    return went_well


async def main(arguments):
    match arguments:
        case ["list" | "info" as verb, url]:
            command = [verb]
        case ["call", url, tool]:
            command = ["call", tool]
        case ["call", url, tool, text]:
            command = ["call", tool, json.loads(text)]
        case ["run", url]:
            command = None
        case _:
            return usage()
    token = os.environ.get("BEARER_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    async with create_mcp_http_client(headers=headers) as http:
        async with (One if IS_ONE else Two).connect(url, http) as connection:
            if command is None:
                return 0 if await serve_lines(connection) else 1
            said, is_well = await answer(connection, command)
            show(said)
            return 0 if is_well else 1


def causes(failure):
    """The failures in a group of groups, as lines."""
    if isinstance(failure, BaseExceptionGroup):
        return [line for part in failure.exceptions for line in causes(part)]
    return [f"{type(failure).__name__}: {failure}"]


if __name__ == "__main__":
    try:
        status = asyncio.run(main(sys.argv[1:]))
    except Exception as failure:  # whatever it is: one line for a person, and a status for the test
        print("\n".join(causes(failure)), file=sys.stderr)
        status = 2
    sys.exit(status)
