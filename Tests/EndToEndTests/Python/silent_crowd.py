"""Opens many connections to one address and asks for nothing: `silent_crowd.py HOST:PORT COUNT`.

Every second one begins a request and never ends it. Says `open` when all were tried, holds them until its input ends, and opens each
anew that the other side closes, ten a second: a crowd that does not give up.
"""

import contextlib
import resource
import select
import socket
import sys

host, port = sys.argv[1].rsplit(":", 1)
count = int(sys.argv[2])
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connect(number):
    door = socket.socket()
    door.settimeout(5)
    with contextlib.suppress(OSError):
        door.connect((host, int(port)))
        if number % 2:
            door.sendall(b"POST /mcp HTTP/1.1\r\nHost: loc")
    return door


crowd = [connect(number) for number in range(count)]
print("open", flush=True)
while True:
    heard, _, _ = select.select([sys.stdin], [], [], 0.1)
    if heard:
        break
    poll = select.poll()
    for number, door in enumerate(crowd):
        poll.register(door.fileno(), select.POLLIN)
    places = {door.fileno(): number for number, door in enumerate(crowd)}
    for descriptor, _ in poll.poll(0)[:1]:
        number = places[descriptor]
        crowd[number].close()
        crowd[number] = connect(number)
