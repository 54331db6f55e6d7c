"""The load of the soak: clients of every kind, each at its own pace, on one thread of their own."""

import asyncio
import collections
import contextlib
import itertools
import json
import threading
import time

import bench as b

TOOLS = ["good__small", "restarted__small", "piped__small", "far--away__small"]
CALLERS = 16  # connections with plain calls
CALLS_A_CONNECTION = 500  # after which a caller comes with a new one
ANSWER_MAX = 30  # seconds


class Connection:
    """One client's connection: a request, its answer, the next."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def head(self, request):
        self.writer.write(request.encode() if isinstance(request, str) else request)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split()[1]), fields

    async def ask(self, request):
        """Status, fields and body."""
        async with asyncio.timeout(ANSWER_MAX):
            status, fields = await self.head(request)
            if "content-length" in fields:
                return status, fields, await self.reader.readexactly(int(fields["content-length"]))
            body = b""
            while fields.get("transfer-encoding") == "chunked":
                size = int(await self.reader.readline(), 16)
                body += (await self.reader.readexactly(size + 2))[:-2]
                if not size:
                    break
            return status, fields, body


class Load:
    """What clients do to a node until `over`; counts what came of it. `excuse()` says whether an error of a server that restarts is one."""

    def __init__(self, node, rate, excuse):
        self.node, self.rate, self.excuse = node, rate, excuse
        self.over = threading.Event()
        self.counts, self.errors, self.excused = collections.Counter(), collections.Counter(), collections.Counter()
        self.numbers = itertools.count(1)

    def run(self):
        asyncio.run(self.work())

    async def work(self):
        part = self.rate / 300
        kinds = [self.paced(part * 300 / CALLERS, self.calls, "good__small") for _ in range(CALLERS)] + [
            self.paced(part * 20, self.calls, "far--away__small"), self.paced(part * 20, self.calls, "restarted__small"),
            self.paced(part * 10, self.calls, "piped__small"), self.paced(part, self.calls, "good__mib1"),
            self.paced(part / 4, self.calls, "far--away__mib1"), self.paced(part * 5, self.lists), self.paced(part * 3, self.sessions),
            self.paced(part * 2, self.mistakes), self.paced(part / 2, self.listens), self.paced(part / 5, self.administers)]
        await asyncio.gather(*kinds)

    async def paced(self, rate, kind, *arguments):
        """Lets a kind of client do one thing after the other, `rate` a second and never two at once."""
        due = time.monotonic()
        doing = kind(*arguments)
        try:
            while not self.over.is_set():
                await anext(doing)
                due = max(due + 1 / rate, time.monotonic() - 1)
                await asyncio.sleep(max(0, due - time.monotonic()))
        finally:
            await doing.aclose()

    def note(self, kind, trouble, is_excused=False):
        self.counts[kind] += 1
        if trouble:
            (self.excused if is_excused and self.excuse() else self.errors)[f"{kind}: {trouble}"] += 1

    def modern(self, tool, method="tools/call", **meta):
        """A request like no other: its arguments and its trace differ in text and length."""
        number = next(self.numbers)
        return b.wire(self.node.headers(tool, method), self.node.body(tool, "x" * (number % 200), method, **{"soak/number": number, **meta}))

    async def calls(self, tool):
        while True:
            try:
                async with Connection(self.node.port) as connection:
                    for _ in range(CALLS_A_CONNECTION):
                        status, _, body = await connection.ask(self.modern(tool))
                        self.note(f"calls of {tool}", status != 200 and status or b'"xxxx' not in body and body[:200],
                                  tool.startswith(("restarted", "piped")))
                        yield
            except (OSError, EOFError, TimeoutError) as error:
                self.note(f"calls of {tool}", type(error).__name__)
                yield

    async def lists(self):
        while True:
            async with Connection(self.node.port) as connection:
                for _ in range(20):
                    status, _, body = await connection.ask(self.modern("", "tools/list"))
                    self.note("lists", status != 200 and status or b'"tools":[' not in body and body[:200])
                    yield

    async def sessions(self):
        """A session of 2025-11-25 with calls and a list in it; every second is left without a word."""
        plain = self.node.headers("", version=b.LEGACY)

        def message(headers, **members):
            return b.wire(headers, json.dumps({"jsonrpc": "2.0", **members}))

        for number in itertools.count():
            async with Connection(self.node.port) as connection:
                status, fields, body = await connection.ask(message(plain, id=0, method="initialize", params={
                    "protocolVersion": b.LEGACY, "capabilities": {}, "clientInfo": {"name": f"soak-{number}", "version": "1"}}))
                session = fields.get("mcp-session-id")
                trouble = None if status == 200 and session else f"{status} {body[:200]}"
                if not trouble:
                    within = {**plain, "Mcp-Session-Id": session}
                    await connection.ask(message(within, method="notifications/initialized"))
                    for place, tool in enumerate(["good__small", "far--away__small"], 1):
                        _, _, body = await connection.ask(
                            message(within, id=place, method="tools/call", params={"name": tool, "arguments": {"text": f"{number}"}}))
                        trouble = trouble or b"xxxx" not in body and body[:200]
                    _, _, body = await connection.ask(message(within, id=9, method="tools/list"))
                    trouble = trouble or b'"tools":[' not in body and body[:200]
                    if number % 2:
                        status, _, _ = await connection.ask(message(within).replace("POST", "DELETE", 1))
                        trouble = trouble or status >= 300 and f"DELETE {status}"
                self.note("legacy sessions", trouble)
            yield

    async def mistakes(self):
        """Tools that there are none of, keys that are none, bodies that are no JSON: each time others."""
        for number in itertools.count():
            async with Connection(self.node.port) as connection:
                stranger = {**self.node.headers("good__small"), "Authorization": f"Bearer mt_{number:064x}"}
                for request, expected in [(self.modern(f"good__none_{number}"), 200), (b.wire(stranger, self.node.body("good__small")), 401),
                                          (b.wire(self.node.headers("good__small"), f"{{{number}"), 400)]:
                    status, fields, _ = await connection.ask(request)
                    self.note("mistakes", status not in (expected, 400, 404) and status)
                    if fields.get("connection") == "close":
                        break
            yield

    async def listens(self):
        """Hears of changes for a while, then goes."""
        while True:
            async with Connection(self.node.port) as connection:
                body = json.loads(self.node.body("", method="subscriptions/listen"))
                body["params"]["notifications"] = {"toolsListChanged": True}
                status, _ = await connection.head(b.wire(self.node.headers("", "subscriptions/listen"), json.dumps(body)))
                self.note("subscriptions", status != 200 and status)
                yield

    async def administers(self):
        loop = asyncio.get_running_loop()
        for path in itertools.cycle(["/v1/status", "/v1/servers", "/healthz"]):
            said = await loop.run_in_executor(None, self.node.health if path == "/healthz" else lambda path=path: self.node.admin(path))
            self.note("administration", not said and path)
            yield

    def unexcused(self):
        return sum(self.errors.values())

    def summary(self):
        done = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        excused = sum(self.excused.values())
        text = f"Done: {done}. {self.unexcused()} failures, {excused} more while a server restarted."
        return text + "".join(f"\n- {count} × {what}" for what, count in self.errors.most_common(10))
