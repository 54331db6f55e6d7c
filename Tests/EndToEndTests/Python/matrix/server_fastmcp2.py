"""Everything the matrix asks of a server, on release 2.x of the PyPI package `fastmcp`: MCP up to 2025-11-25.

    server_fastmcp2.py http       Streamable HTTP at http://127.0.0.1:PORT/mcp; prints {"port": PORT} when it listens

`slow` leaves its traces in the folder that MATRIX_FOLDER names.
"""

import os
import pathlib
import sys
from dataclasses import dataclass

import anyio
import mcp
import mcp.types as types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import NotFoundError, ToolError
from fastmcp.server.middleware import Middleware
from listener import serve


class NotFound(Middleware):
    """Answers for a resource that does not exist as the revision asks; the SDK's own code is 0."""

    async def on_read_resource(self, context, call_next):
        try:
            return await call_next(context)
        except NotFoundError as failure:
            raise mcp.McpError(types.ErrorData(code=-32002, message=str(failure))) from failure


server = FastMCP("matrix", version="2.0.0", instructions="One of everything.")
server.add_middleware(NotFound())
traces = pathlib.Path(os.environ["MATRIX_FOLDER"])


@dataclass
class Answer:
    name: str


@server.tool
async def echo(text: str) -> str:
    """Says what it was told, and the revision in which it was."""
    return f"{text} ({types.LATEST_PROTOCOL_VERSION})"


@server.tool
async def count(to: int, ctx: Context) -> str:
    """Counts, and reports each number as progress."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"at {number}")
    return f"counted to {to}"


@server.tool
async def ask(question: str, ctx: Context) -> str:
    """Asks the user for a name."""
    answer = await ctx.elicit(question, Answer)
    return f"accept {answer.data.name}" if answer.action == "accept" else answer.action


@server.tool
async def think(about: str, ctx: Context) -> str:
    """Asks the client's model."""
    thought = await ctx.sample(about, max_tokens=50)
    return f"thought: {thought.text}"


@server.tool
async def grow(name: str, ctx: Context) -> str:
    """Adds a tool; the SDK tells of it when the call is answered."""
    server.tool(lambda: name, name=name, description="Was not there before.")
    return f"added {name}"


@server.tool
async def slow(trace: str) -> str:
    """Takes half a minute, and leaves a trace of how it ended."""
    (traces / f"{trace}.started").touch()
    try:
        await anyio.sleep(30)
    except anyio.get_cancelled_exc_class():
        (traces / f"{trace}.cancelled").touch()
        raise
    return "waited"


@server.tool
async def fail(reason: str) -> str:
    """Fails."""
    raise ToolError(reason)


@server.resource("matrix://greeting", name="greeting", mime_type="text/plain")
def greeting() -> str:
    """A greeting."""
    return "Grüße, 世界"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http"]:
            serve(server.http_app())
        case _:
            sys.exit(__doc__)
