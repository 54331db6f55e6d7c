"""An MCP server over Streamable HTTP that counts its own sessions (PyPI `mcp`, release 1.x).

The tool `sessions` answers how many are open, and how many pings and requests came. The time of the first request of
each run is written to standard output, in seconds since 1970.
"""

import argparse
import time

import uvicorn
from mcp.server.fastmcp import FastMCP

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
port = parser.parse_args().port

server = FastMCP("counted")


@server.tool()
def sessions() -> dict[str, int]:
    known = server.session_manager._server_instances
    live = [name for name, transport in known.items() if not transport.is_terminated]
    return {"open": len(live), "pings": pings, "requests": requests}


pings = 0
requests = 0
inner = server.streamable_http_app()


async def app(scope, receive, send):
    global pings, requests
    if scope["type"] != "http":
        return await inner(scope, receive, send)
    requests += 1
    if requests == 1:
        print(f"first request {time.time()}", flush=True)

    async def heard():
        global pings
        message = await receive()
        if b'"ping"' in message.get("body", b""):
            pings += 1
        return message

    await inner(scope, heard, send)


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
