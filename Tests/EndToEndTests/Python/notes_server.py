"""An MCP server of notes that can be watched, over Streamable HTTP on the PyPI SDK: `note://todo`, and a tool that edits.

    notes_server.py --port PORT

On release 2.x it speaks 2026-07-28 (`subscriptions/listen`), on release 1.x it is a server with sessions, and keeps whom to
tell by `resources/subscribe`. What it was told it forgets when it ends.
"""

import argparse
import contextlib

import uvicorn

import mcp

IS_ONE = not hasattr(mcp, "Client")
NOTES = {"todo": "buy milk", "journal": "day one"}


def modern():
    from mcp.server.mcpserver import Context, MCPServer

    server = MCPServer("notes")

    @server.resource("note://{name}")
    def note(name: str) -> str:
        return NOTES[name]

    @server.tool()
    async def edit(name: str, text: str, ctx: Context) -> str:
        """Replaces a note's text."""
        NOTES[name] = text
        await ctx.notify_resource_updated(f"note://{name}")
        return "saved"

    return server.streamable_http_app()


def legacy():
    from mcp import types
    from mcp.server.lowlevel import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.applications import Starlette
    from starlette.routing import Mount

    server = Server("notes")
    watchers = {}
    make = server.create_initialization_options

    def options(*arguments, **named):
        # The SDK declares `subscribe: false` whatever handlers there are.
        made = make(*arguments, **named)
        made.capabilities.resources.subscribe = True
        return made

    server.create_initialization_options = options

    @server.list_resources()
    async def resources() -> list[types.Resource]:
        return [types.Resource(uri=f"note://{name}", name=name) for name in NOTES]

    @server.read_resource()
    async def read(uri) -> str:
        return NOTES[str(uri).removeprefix("note://").rstrip("/")]

    @server.subscribe_resource()
    async def subscribe(uri) -> None:
        name = str(uri).removeprefix("note://").rstrip("/")
        if name not in NOTES:
            raise mcp.McpError(types.ErrorData(code=-32002, message="no such note"))
        watchers.setdefault(name, set()).add(server.request_context.session)
        print(f"subscribed {name}", flush=True)

    @server.unsubscribe_resource()
    async def unsubscribe(uri) -> None:
        name = str(uri).removeprefix("note://").rstrip("/")
        watchers.get(name, set()).discard(server.request_context.session)
        print(f"unsubscribed {name}", flush=True)

    @server.list_tools()
    async def tools() -> list[types.Tool]:
        text = {"type": "string"}
        return [
            types.Tool(name="edit", inputSchema={"type": "object", "properties": {"name": text, "text": text}})
        ]

    @server.call_tool()
    async def call(name: str, arguments: dict) -> list[types.TextContent]:
        NOTES[arguments["name"]] = arguments["text"]
        for session in list(watchers.get(arguments["name"], ())):
            await session.send_resource_updated(f"note://{arguments['name']}")
        return [types.TextContent(type="text", text="saved")]

    manager = StreamableHTTPSessionManager(app=server)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with manager.run():
            yield

    return Starlette(routes=[Mount("/", app=manager.handle_request)], lifespan=lifespan)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    print(f"listens on {port}", flush=True)
    app = legacy() if IS_ONE else modern()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
