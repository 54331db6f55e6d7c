"""A FastMCP server on every address of its host: fastmcp_server.py PORT NAME.

Its tool `whoami` answers NAME; `mark` counts how often it was called with what, and `marks` answers that.
"""

import collections
import sys

from fastmcp import FastMCP

server = FastMCP(sys.argv[2])
counts = collections.Counter()


@server.tool
def whoami() -> str:
    """Says which server this is."""
    return sys.argv[2]


@server.tool
def mark(what: str) -> str:
    """Counts one more of what is named."""
    counts[what] += 1
    return what


@server.tool
def marks() -> dict[str, int]:
    """Says how often each was counted."""
    return dict(counts)


server.run(transport="http", host="0.0.0.0", port=int(sys.argv[1]), show_banner=False)
