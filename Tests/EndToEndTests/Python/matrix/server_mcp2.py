"""Everything the matrix asks of a server, on release 2.x of the PyPI package `mcp`: MCP 2026-07-28.

    server_mcp2.py http        Streamable HTTP at http://127.0.0.1:PORT/mcp; prints {"port": PORT} when it listens
    server_mcp2.py stdio

`slow` leaves its traces in the folder that MATRIX_FOLDER names.
"""

import os
import pathlib
import sys

import anyio
import mcp_types as types
from listener import serve
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("matrix", version="2.0.0", instructions="One of everything.", log_level="ERROR")
traces = pathlib.Path(os.environ["MATRIX_FOLDER"])


@server.tool()
async def echo(text: str, ctx: Context) -> str:
    """Says what it was told, and the revision in which it was."""
    return f"{text} ({ctx.protocol_version})"


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Counts, and reports each number as progress."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"at {number}")
    return f"counted to {to}"


@server.tool()
async def ask(question: str, ctx: Context) -> str | types.InputRequiredResult:
    """Asks the user for a name."""
    if ctx.input_responses is None:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        form = types.ElicitRequestFormParams(message=question, requested_schema=schema)
        return types.InputRequiredResult(
            input_requests={"who": types.ElicitRequest(params=form)}, request_state="asked"
        )
    if ctx.request_state != "asked":
        raise ToolError(f"the state came back as {ctx.request_state!r}")
    answer = ctx.input_responses["who"]
    return f"{answer.action} {answer.content['name']}" if answer.action == "accept" else answer.action


@server.tool()
async def think(about: str, ctx: Context) -> str | types.InputRequiredResult:
    """Asks the client's model."""
    if ctx.input_responses is None:
        message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=about))
        params = types.CreateMessageRequestParams(messages=[message], max_tokens=50)
        return types.InputRequiredResult(input_requests={"thought": types.CreateMessageRequest(params=params)})
    return f"thought: {ctx.input_responses['thought'].content.text}"


@server.tool()
async def grow(name: str, ctx: Context) -> str:
    """Adds a tool."""
    server.add_tool(lambda: name, name=name, description="Was not there before.")
    await ctx.notify_tools_changed()
    return f"added {name}"


@server.tool()
async def slow(trace: str) -> str:
    """Takes half a minute, and leaves a trace of how it ended."""
    (traces / f"{trace}.started").touch()
    try:
        await anyio.sleep(30)
    except anyio.get_cancelled_exc_class():
        (traces / f"{trace}.cancelled").touch()
        raise
    return "waited"


@server.tool()
async def fail(reason: str) -> str:
    """Fails."""
    raise ToolError(reason)


@server.resource("matrix://greeting", mime_type="text/plain")
def greeting() -> str:
    """A greeting."""
    return "Grüße, 世界"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http"]:
            serve(server.streamable_http_app())
        case ["stdio"]:
            server.run("stdio")
        case _:
            sys.exit(__doc__)
