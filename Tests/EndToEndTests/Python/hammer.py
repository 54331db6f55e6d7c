"""Calls a tool without pause until interrupted: `hammer.py URL TOOL`.

Prints a line for each call, its number and how it went, and at the end how many there were and how many failed.
"""

import asyncio
import signal
import sys

import mcp


async def main():
    url, tool = sys.argv[1:3]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    calls = failed = 0
    async with mcp.Client(url) as client:
        while not stop.is_set():
            calls += 1
            text = f"call {calls}"
            try:
                result = await client.call_tool(tool, {"text": text})
                said = result.content[0].text if result.content else ""
                if result.is_error or said != text:
                    raise ValueError(said)
                print(calls, "ok", flush=True)
            except Exception as error:  # whatever it is, it counts
                failed += 1
                print(calls, "failed", repr(error), flush=True)
            await asyncio.sleep(0.02)
    print(f"{calls} calls, {failed} failed", flush=True)


asyncio.run(main())
