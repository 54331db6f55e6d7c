"""Everything the matrix asks of a server, on release 1.x of the PyPI package `mcp`: the revisions up to 2025-11-25.

    server_mcp1.py http REVISION     Streamable HTTP at http://127.0.0.1:PORT/mcp; prints {"port": PORT} when it listens
    server_mcp1.py sse REVISION      HTTP+SSE at http://127.0.0.1:PORT/sse, likewise
    server_mcp1.py stdio REVISION

It knows no revision newer than the one named, so that is what every client gets. `slow` leaves its traces in the
folder that MATRIX_FOLDER names.
"""

import functools
import os
import pathlib
import sys

import anyio
import mcp
import mcp.types as types
from listener import serve
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ResourceError, ToolError
from mcp.server.lowlevel import NotificationOptions
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS
from pydantic import BaseModel



class Server(FastMCP):
    async def read_resource(self, uri):
        """As the SDK does, but a resource that does not exist is answered as the revisions ask."""
        try:
            return await super().read_resource(uri)
        except (ResourceError, ValueError) as failure:
            raise mcp.McpError(types.ErrorData(code=-32002, message=str(failure), data={"uri": str(uri)})) from failure


server = Server("matrix", instructions="One of everything.", log_level="ERROR")
# The SDK has no other way to say that the list of tools may change.
server._mcp_server.create_initialization_options = functools.partial(
    server._mcp_server.create_initialization_options, NotificationOptions(tools_changed=True)
)
traces = pathlib.Path(os.environ["MATRIX_FOLDER"])


class Answer(BaseModel):
    name: str


@server.tool()
async def echo(text: str) -> str:
    """Says what it was told, and the revision in which it was."""
    return f"{text} ({types.LATEST_PROTOCOL_VERSION})"


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Counts, and reports each number as progress."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"at {number}")
    return f"counted to {to}"


@server.tool()
async def ask(question: str, ctx: Context) -> str:
    """Asks the user for a name."""
    answer = await ctx.elicit(question, Answer)
    return f"accept {answer.data.name}" if answer.action == "accept" else answer.action


@server.tool()
async def think(about: str, ctx: Context) -> str:
    """Asks the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=about))
    thought = await ctx.session.create_message([message], max_tokens=50, related_request_id=ctx.request_id)
    return f"thought: {thought.content.text}"


@server.tool()
async def grow(name: str, ctx: Context) -> str:
    """Adds a tool."""
    server.add_tool(lambda: name, name=name, description="Was not there before.")
    await ctx.session.send_tool_list_changed()
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


def know_only_up_to(revision):
    """Makes the SDK one of the time of `revision`."""
    SUPPORTED_PROTOCOL_VERSIONS[:] = [known for known in SUPPORTED_PROTOCOL_VERSIONS if known <= revision]
    types.LATEST_PROTOCOL_VERSION = revision


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", revision]:
            know_only_up_to(revision)
            serve(server.streamable_http_app())
        case ["sse", revision]:
            know_only_up_to(revision)
            serve(server.sse_app())
        case ["stdio", revision]:
            know_only_up_to(revision)
            server.run("stdio")
        case _:
            sys.exit(__doc__)
