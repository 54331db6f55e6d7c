#!/usr/bin/env python3
"""Asks one MCP server for its tools over stdio and keeps their definitions byte for byte, for Fixtures/tools.

    collect_tools.py --source "PyPI mcp-server-git 2026.10.19, MIT" --out Fixtures/tools/mcp-server-git.json \\
        --env API_KEY=fake -- /path/to/venv/bin/mcp-server-git

The server gets /home/user as its home, / as its working directory, and nothing of the caller's environment: definitions may
show either. Let /home/user be a folder, run it without a network and as nobody (`unshare`, `setpriv`): what a published server
does when it starts is its own affair. All pages are read. Each line of `tools` in the file is one object as the server sent it.
Exit status 1 and a reason when there is no list.
"""

import argparse
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

START_MAX = 45  # seconds from the start to the last page; some servers import half of PyPI first
PAGES_MAX = 100
BYTES_MAX = 16 << 20  # of one message
GRACE = 2  # seconds between SIGTERM and SIGKILL
DECODER = json.JSONDecoder()
SPACE = re.compile(r"[ \t\r\n]*")


class Failure(Exception):
    """There is no list to keep."""


class Server:
    """One child that speaks JSON-RPC in lines."""

    def __init__(self, command, environment, until):
        self.until = until
        self.left = b""
        self.child = subprocess.Popen(
            command, env=environment, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True)

    def send(self, message):
        try:
            self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            self.child.stdin.flush()
        except OSError as error:
            raise Failure(f"it took no message: {error}") from error

    def answer(self, identifier):
        """The line that answers a request, as text."""
        while True:
            line = self.line()
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a banner, a log: not ours
            if isinstance(message, dict) and message.get("id") == identifier and "method" not in message:
                if "error" in message:
                    raise Failure(f"it answered {message['error']}")
                return line

    def line(self):
        while b"\n" not in self.left:
            wait = self.until - time.monotonic()
            if wait <= 0 or not select.select([self.child.stdout], [], [], wait)[0]:
                raise Failure(f"no answer within {START_MAX} s")
            more = os.read(self.child.stdout.fileno(), 1 << 16)
            if not more:
                raise Failure(f"it ended, status {self.child.wait()}")
            self.left += more
            if len(self.left) > BYTES_MAX:
                raise Failure(f"a message of more than {BYTES_MAX} bytes")
        line, self.left = self.left.split(b"\n", 1)
        return line.decode()

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.child.pid, number)
                self.child.wait(GRACE)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def after_space(text, at):
    return SPACE.match(text, at).end()


def member(text, at, name):
    """Where the value of a member of the object at this place begins."""
    at = after_space(text, at + 1)
    while text[at] != "}":
        key, at = DECODER.raw_decode(text, at)
        at = after_space(text, after_space(text, at) + 1)  # past the colon
        if key == name:
            return at
        at = after_space(text, DECODER.raw_decode(text, at)[1])
        at = after_space(text, at + 1) if text[at] == "," else at
    raise Failure(f"no member {name}")


def elements(text, at):
    """The elements of the array at this place, as text."""
    at = after_space(text, at + 1)
    while text[at] != "]":
        end = DECODER.raw_decode(text, at)[1]
        yield text[at:end]
        at = after_space(text, end)
        at = after_space(text, at + 1) if text[at] == "," else at


def tools(server):
    server.send({"id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "collect", "version": "1"}}})
    server.answer(0)
    server.send({"method": "notifications/initialized"})
    cursor = None
    for page in range(1, PAGES_MAX + 1):
        server.send({"id": page, "method": "tools/list", "params": {"cursor": cursor} if cursor else {}})
        line = server.answer(page)
        result = member(line, after_space(line, 0), "result")
        yield from elements(line, member(line, result, "tools"))
        cursor = json.loads(line)["result"].get("nextCursor")
        if not cursor:
            return
    raise Failure(f"more than {PAGES_MAX} pages")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", required=True, help="registry, package, version, licence")
    parser.add_argument("--out", required=True)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    environment = {"HOME": "/home/user", "USER": "user", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    environment.update(pair.split("=", 1) for pair in given.env)
    server = Server(given.command, environment, time.monotonic() + START_MAX)
    try:
        kept = list(tools(server))
    except Failure as failure:
        sys.exit(f"{given.source}: {failure}")
    finally:
        server.stop()
    if not kept:
        sys.exit(f"{given.source}: it lists no tools")
    with open(given.out, "w", encoding="utf-8") as file:
        file.write(f'{{ "source": {json.dumps(given.source)}, "tools": [\n' + ",\n".join(kept) + "\n] }\n")
    print(f"{given.source}: {len(kept)} tools, {os.path.getsize(given.out)} bytes")


if __name__ == "__main__":
    main()
