"""What each cell of the matrix asks of a connection, whichever SDK made it.

A client program reads cells from standard input, one JSON object a line, and prints each with its outcome, in order:

    {"front", "back", "feature", "hops", "is_direct", "target": {"url"} | {"events"} | {"command", "environment"}}
    {"front", "back", "feature", "hops", "outcome": "ok" | "failed", "detail", "seconds"}

Every cell has a connection of its own, so that a failed one harms no other, and at most CELL_SECONDS.
"""

import asyncio
import json
import os
import pathlib
import sys
import time
import uuid

import anyio
from plan import revision, transport

CELL_SECONDS = 15
POLL_SECONDS = 0.02
TRACES = pathlib.Path(os.environ["MATRIX_FOLDER"])
INVALID_PARAMS = -32602
RESOURCE_NOT_FOUND = -32002  # before 2026-07-28
MODERN, NEWEST_LEGACY = "2026-07-28", "2025-11-25"


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code, message):
        super().__init__(f"refused with {code}: {message}")
        self.code = code


class Unexpected(Exception):
    """An answer, but not the right one."""


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def answer(question):
    """What the user of these clients says to an elicitation."""
    if "secret" in question:
        return {"action": "decline"}
    return {"action": "accept", "content": {"name": "Ada"}}


def thought(prompt):
    """What the model of these clients says."""
    return f"{prompt}? 42"


def expect(found, wanted, what):
    if found != wanted:
        raise Unexpected(f"{what}: {found!r} instead of {wanted!r}")


def text(result):
    if result.get("isError"):
        raise Unexpected(f"the tool failed: {result['content']}")
    return "".join(block["text"] for block in result["content"])


def spoken(cell):
    """The revision in which a call arrives: that of the server, except where it speaks both eras over HTTP. There a
    legacy client, which all can be asked for something here, has a legacy session (decision 17)."""
    back = revision(cell["back"])
    if back >= MODERN > revision(cell["front"]) and transport(cell["back"]) == "http":
        return NEWEST_LEGACY
    return back


async def check_tool_call(connection, cell):
    names = {tool["name"] for tool in await connection.tools()}
    expect({"echo", "count", "ask", "think", "grow", "slow", "fail"} - names, set(), "tools that are not listed")
    said = text(await connection.call("echo", {"text": "Grüße, 世界"}))
    expect(said, f"Grüße, 世界 ({spoken(cell)})", "echo")


async def check_progress(connection, cell):
    steps = []

    async def on_progress(progress, total, message):
        steps.append((progress, total, message))

    said = text(await connection.call("count", {"to": 3}, on_progress))
    expect(said, "counted to 3", "count")
    # A message goes with progress since 2025-03-26.
    has_message = "2024-11-05" not in (revision(cell["front"]), revision(cell["back"]))
    with anyio.move_on_after(2):  # SDKs hand on a notification and the answer after it side by side
        while len(steps) < 3:
            await anyio.sleep(POLL_SECONDS)
    if not has_message:
        steps = [(progress, total, None) for progress, total, _ in steps]
    expect(steps, [(n, 3, f"at {n}" if has_message else None) for n in (1, 2, 3)], "progress")


async def check_elicitation(connection, _cell):
    said = text(await connection.call("ask", {"question": "What is your name?"}))
    expect(said, "accept Ada", "the answer that was accepted")
    said = text(await connection.call("ask", {"question": "What is your secret name?"}))
    expect(said, "decline", "the answer that was declined")


async def check_sampling(connection, _cell):
    said = text(await connection.call("think", {"about": "life"}))
    expect(said, "thought: life? 42", "what the model said")


async def check_resource_read(connection, _cell):
    listed = [resource for resource in await connection.resources() if resource["name"] == "greeting"]
    expect(len(listed), 1, "resources of this name")
    [content] = await connection.read(listed[0]["uri"])
    expect(content["text"], "Grüße, 世界", "the text")
    expect(content["mimeType"], "text/plain", "its type")
    expect(content["uri"], listed[0]["uri"], "its URI")


async def check_list_change(connection, _cell):
    name = f"tool_{uuid.uuid4().hex[:8]}"
    async with connection.tool_changes() as next_change:
        await connection.call("grow", {"name": name})
        # Other cells add tools of their own; this one waits for its own.
        while True:
            await next_change()
            if name in {tool["name"] for tool in await connection.tools()}:
                break
    expect(text(await connection.call(name, {})), name, "what the new tool says")


async def check_cancel(connection, _cell):
    trace = uuid.uuid4().hex

    async def left(end):
        with anyio.move_on_after(CELL_SECONDS / 3):
            while not (TRACES / f"{trace}.{end}").exists():
                await anyio.sleep(POLL_SECONDS)
            return
        raise Unexpected(f"the slow tool was never {end}")

    await connection.call_and_cancel("slow", {"trace": trace}, lambda: left("started"))
    await left("cancelled")
    said = text(await connection.call("echo", {"text": "still here"}))
    expect(said.startswith("still here"), True, "whether the connection goes on")


async def check_error(connection, cell):
    result = await connection.call("fail", {"reason": "no more paper"})
    expect(result.get("isError"), True, "isError of the tool that fails")
    expect("no more paper" in result["content"][0]["text"], True, f"whether {result['content']} has the reason")
    # A name in no list is the server's to answer, and the SDKs' servers do so with a result.
    unknown = await connection.call("no_such_tool", {})
    expect(unknown.get("isError"), True, "isError of a tool that does not exist")
    expect("no_such_tool" in unknown["content"][0]["text"], True, f"whether {unknown['content']} names it")
    code = INVALID_PARAMS if revision(cell["front"]) >= "2026-07-28" else RESOURCE_NOT_FOUND
    await expect_refusal(code, "an unknown resource", connection.read("matrix://no-such-resource"))


async def expect_refusal(code, what, request):
    try:
        answered = await request
    except Refused as refusal:
        expect(refusal.code, code, f"the code for {what}")
    else:
        raise Unexpected(f"{what} was answered: {answered!r}")


CHECKS = {
    "tool call": check_tool_call,
    "progress": check_progress,
    "elicitation": check_elicitation,
    "sampling": check_sampling,
    "resource read": check_resource_read,
    "list change": check_list_change,
    "cancel": check_cancel,
    "error": check_error,
}


async def run(connect, cell):
    wanted = revision(cell["front"])
    with anyio.fail_after(CELL_SECONDS):
        async with connect(wanted, cell["target"]) as connection:
            expect(connection.revision, wanted, "the revision agreed on")
            await CHECKS[cell["feature"]](connection, cell)


def causes(failure):
    """The failures in a group of groups, each once."""
    if isinstance(failure, BaseExceptionGroup):
        return list(dict.fromkeys(cause for part in failure.exceptions for cause in causes(part)))
    if isinstance(failure, TimeoutError):
        return [f"nothing within {CELL_SECONDS} s"]
    if isinstance(failure, (Refused, Unexpected)):
        return [str(failure)]
    return [f"{type(failure).__name__}: {failure}"]


async def run_all(connect):
    for line in sys.stdin:
        cell = json.loads(line)
        start = time.perf_counter()
        try:
            await run(connect, cell)
            outcome, detail = "ok", ""
        except Exception as failure:  # whatever it is, it is this cell's
            outcome, detail = "failed", "; ".join(causes(failure))
        del cell["target"], cell["is_direct"]
        seconds = round(time.perf_counter() - start, 3)
        print(json.dumps({**cell, "outcome": outcome, "detail": detail, "seconds": seconds}), flush=True)


def main(connect):
    asyncio.run(run_all(connect))
