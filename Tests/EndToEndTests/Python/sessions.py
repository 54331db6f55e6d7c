"""Opens many legacy sessions at a node and says what they cost, on the standard library only.

    sessions.py URL PID [--idle N] [--streams N] [--burst N]
    sessions.py URL PID --hold [--idle N] [--streams N]

Opens N idle sessions over a few kept-alive connections, gives a part of them the GET stream that SDKs hold open, has N
further clients come at once with a session and a call each, has the child that serves them killed and calls again in an
old session, and ends all sessions. Prints one JSON object: counts, failures, and the node's memory before and after
each. With --hold it only opens sessions and streams, says that it has, and counts the streams that
the node ends.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import resource
import signal
import time
import urllib.parse

CONNECTIONS = 8
REVISION = "2025-11-25"
ACCEPT = "application/json, text/event-stream"
RECOVERY_SECONDS = 20
CLIENT = {"name": "sessions", "version": "1"}
INITIALIZE = {"protocolVersion": REVISION, "capabilities": {"roots": {}, "elicitation": {}}, "clientInfo": CLIENT}


def memory(pid):
    """What the process holds, and how much of it no file stands behind, in bytes as the kernel counts."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return {"resident": sizes["Rss:"], "anonymous": sizes["Anonymous:"]}


class Connection:
    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(self.url.hostname, self.url.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, method, message=None, session=None):
        body = b"" if message is None else json.dumps({"jsonrpc": "2.0", **message}).encode()
        fields = [f"{method} {self.url.path} HTTP/1.1", f"Host: {self.url.netloc}"]
        fields.append(f"Accept: {'text/event-stream' if method == 'GET' else ACCEPT}")
        if message is not None:
            fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if session:
            fields += [f"Mcp-Session-Id: {session}", f"MCP-Protocol-Version: {REVISION}"]
        self.writer.write("\r\n".join([*fields, "", ""]).encode() + body)
        await self.writer.drain()

    async def head(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), fields

    async def ask(self, method, message=None, session=None):
        """The status, the fields, and the answer: the last message of a stream, if it is one."""
        await self.send(method, message, session)
        status, fields = await self.head()
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await self.reader.readline()).strip() or b"0", 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        else:
            body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        data = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:") and line[5:].strip()]
        text = data[-1] if data else body
        return status, fields, json.loads(text) if text else None

    async def open(self):
        """A new session's id."""
        request = {"id": 0, "method": "initialize", "params": INITIALIZE}
        status, fields, answer = await self.ask("POST", request)
        if status != 200 or "result" not in answer:
            raise RuntimeError(f"initialize: {status} {answer}")
        session = fields["mcp-session-id"]
        status, _, answer = await self.ask("POST", {"method": "notifications/initialized"}, session)
        if status != 202:
            raise RuntimeError(f"initialized: {status} {answer}")
        return session

    async def add(self, session):
        params = {"name": "add", "arguments": {"a": 2, "b": 40}}
        status, _, answer = await self.ask("POST", {"id": 1, "method": "tools/call", "params": params}, session)
        if status != 200 or answer.get("result", {}).get("structuredContent") != {"sum": 42}:
            raise RuntimeError(f"call: {status} {answer}")

    async def end(self, session):
        status, _, answer = await self.ask("DELETE", session=session)
        if status != 204:
            raise RuntimeError(f"DELETE: {status} {answer}")


async def side_by_side(url, items, work):
    """Does the same for each item, over a few connections."""
    waiting = list(items)
    done = []

    async def lane():
        async with Connection(url) as connection:
            while waiting:
                done.append(await work(connection, waiting.pop()))

    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
    return done


async def hold_streams(url, sessions, stack):
    streams = []
    for session in sessions:
        connection = await stack.enter_async_context(Connection(url))
        await connection.send("GET", session=session)
        status, _ = await connection.head()
        if status != 200:
            raise RuntimeError(f"GET: {status}")
        await connection.reader.readuntil(b"\n\n")
        streams.append(connection)
    return streams


async def burst(url, count):
    """Clients that come at once, each with a connection, a session and a call. Returns why some failed."""

    async def client():
        async with Connection(url) as connection:
            session = await connection.open()
            await connection.add(session)
            await connection.end(session)

    outcomes = await asyncio.gather(*(client() for _ in range(count)), return_exceptions=True)
    return [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]


async def hold(asked):
    sessions = await side_by_side(asked.url, range(asked.idle), lambda connection, _: connection.open())
    async with contextlib.AsyncExitStack() as stack:
        streams = await hold_streams(asked.url, sessions[: asked.streams], stack)
        print(json.dumps({"holding": len(streams)}), flush=True)
        # An end as HTTP has it: the last chunk, not a cut.
        endings = [await asyncio.wait_for(stream.reader.read(), RECOVERY_SECONDS) for stream in streams]
    return {"ended": sum(ending.endswith(b"0\r\n\r\n") for ending in endings)}


def children(pid):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
            if parent == pid and b"sample-server" in command:
                yield int(stat.parent.name)


async def recover(url, pid, session):
    """Kills the server behind the node, and calls in the session until it is back. Returns the seconds it took."""
    [child] = children(pid)
    os.kill(child, signal.SIGKILL)
    start = time.monotonic()
    async with Connection(url) as connection:
        while True:
            try:
                await connection.add(session)
                if child not in children(pid):
                    return time.monotonic() - start
            except RuntimeError as failure:
                if "call: 200" not in str(failure) or time.monotonic() - start > RECOVERY_SECONDS:
                    raise
            await asyncio.sleep(0.05)


async def measure(asked):
    url, pid = asked.url, asked.pid
    # What the first sessions cost besides themselves is not what a session costs.
    await burst(url, 100)
    facts = {"before": memory(pid)}
    start = time.monotonic()
    sessions = await side_by_side(url, range(asked.idle), lambda connection, _: connection.open())
    facts |= {"sessions": len(set(sessions)), "seconds": time.monotonic() - start, "idle": memory(pid)}
    async with contextlib.AsyncExitStack() as stack:
        await hold_streams(url, sessions[: asked.streams], stack)
        facts |= {"streams": asked.streams, "streaming": memory(pid)}
        start = time.monotonic()
        failures = await burst(url, asked.burst)
        facts |= {"burst": asked.burst, "failures": failures[:5], "burstSeconds": time.monotonic() - start}
    if sessions:
        facts["recovery"] = await recover(url, pid, sessions[-1])
        await side_by_side(url, sessions, lambda connection, session: connection.end(session))
        async with Connection(url) as connection:
            status, *_ = await connection.ask("POST", {"id": 2, "method": "ping"}, sessions[-1])
        facts |= {"afterEnd": status, "ended": memory(pid)}
    return facts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("url")
    parser.add_argument("pid", type=int)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--burst", type=int, default=1_000)
    parser.add_argument("--hold", action="store_true")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(hold(asked) if asked.hold else measure(asked))))
