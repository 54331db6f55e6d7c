"""An MCP server on the PyPI package `mcp` (2.x) that wants a bearer token.

    BEARER_TOKEN=... bearer_server.py [--port N] [--token-file FILE]

Serves Streamable HTTP at http://127.0.0.1:PORT/mcp and prints {"port": PORT} when it listens; port 0, the default,
takes a free one. Anything without `Authorization: Bearer $BEARER_TOKEN` gets 401 before MCP sees it; with a file, what it
holds at that moment is the token, so that it can change.
Tools: `echo(text)`, and `slow(seconds)`, which prints `slow call` when it begins.
"""

import argparse
import asyncio
import hmac
import json
import os
import socket
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("desk", version="1.0.0", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    """Says what it was told."""
    return text


@server.tool()
async def slow(seconds: float) -> str:
    """Takes its time."""
    print("slow call", flush=True)
    await asyncio.sleep(seconds)
    return f"waited {seconds:g} s"


def wanting(token, app):
    """`app` behind a check of the credential, which `token` says each time."""

    async def checked(scope, receive, send):
        if scope["type"] == "http":
            expected = f"Bearer {token()}".encode()
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, expected):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return checked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token-file")
    arguments = parser.parse_args()
    token = os.environ.get("BEARER_TOKEN")
    if not token and not arguments.token_file:
        sys.exit("bearer_server.py: set BEARER_TOKEN to the token that callers must send")

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", arguments.port))
    listener.listen()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)

    def now():
        if not arguments.token_file:
            return token
        with open(arguments.token_file, encoding="utf-8") as file:
            return file.read().strip()

    app = wanting(now, server.streamable_http_app())
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
