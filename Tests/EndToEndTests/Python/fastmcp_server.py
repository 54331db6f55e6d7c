"""A FastMCP server on every address of its host: fastmcp_server.py PORT NAME. Its tool `whoami` answers NAME."""

import sys

from fastmcp import FastMCP

server = FastMCP(sys.argv[2])


@server.tool
def whoami() -> str:
    """Says which server this is."""
    return sys.argv[2]


server.run(transport="http", host="0.0.0.0", port=int(sys.argv[1]), show_banner=False)
