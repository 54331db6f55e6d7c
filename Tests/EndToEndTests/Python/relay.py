"""Passes TCP on and writes down every byte of both directions: `relay.py CAPTURE HOST:PORT`.

Prints {"port": PORT} of its own listener when it listens.
"""

import asyncio
import json
import sys


async def main():
    capture = open(sys.argv[1], "wb", buffering=0)
    host, port = sys.argv[2].rsplit(":", 1)

    async def copy(reader, writer):
        try:
            while data := await reader.read(65536):
                capture.write(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def passed_on(reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    server = await asyncio.start_server(passed_on, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
