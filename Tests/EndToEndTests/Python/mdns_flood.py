"""Announces services of `_mcp._tcp` that are not there: mdns_flood.py ADDRESS COUNT ROUNDS.

Each says that it is at ADDRESS, and its TXT record is one of the things that no TXT record should be. Sends multicast DNS
(RFC 6762) by hand, so nothing else may hold port 5353 here.
"""

import socket
import struct
import sys
import time

address, count = sys.argv[1], int(sys.argv[2])
TEXTS = [
    [b"path=/../../etc/passwd"],
    [b"path=/mcp\r\nX-Evil: 1", b"name=\x1b[2J\x00evil"],
    [b"http=99999/x", b"proto=ndjson"],
    [b"http=22/", b"tls=maybe"],
    [b"path=" + b"a" * 250],
    [b"path=http://169.254.169.254/latest"],
    [b"\xff\xfe\xfd=\x80\x81", b"=", b"", b"name"],
    [bytes([65 + i]) * 255 for i in range(3)],
    [b"path=//evil.example/mcp?x=1#y"],
    [b"name=" + "\u202e".encode() * 80],
]
TAILS = [" x", "\n\x1b[31mred", "\u0000", "\u202e", " " + "long " * 8]


def name(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(owner, kind, data, flush=True):
    return owner + struct.pack("!HHIH", kind, 0x8001 if flush else 1, 4500, len(data)) + data


TYPE = name(b"_mcp", b"_tcp", b"local")


def service(number):
    label = f"Fake {number}{TAILS[number % len(TAILS)]}".encode()
    own, host = name(label, b"_mcp", b"_tcp", b"local"), name(f"fake{number}".encode(), b"local")
    text = b"".join(bytes([len(item)]) + item for item in TEXTS[number % len(TEXTS)])
    return [
        record(TYPE, 12, own, flush=False),
        record(own, 33, struct.pack("!HHH", 0, 0, 8000 + number % 1000) + host),
        record(own, 16, text or b"\0"),
        record(host, 1, socket.inet_aton(address)),
    ]


out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
while True:
    try:
        out.bind(("", 5353))
        break
    except OSError:
        time.sleep(0.05)  # a daemon that was told to end holds it yet; the caller has a deadline
for _ in range(int(sys.argv[3])):
    for first in range(0, count, 2):
        records = service(first) + service(first + 1)
        head = struct.pack("!HHHHHH", 0, 0x8400, 0, len(records), 0, 0)
        out.sendto(head + b"".join(records), ("224.0.0.251", 5353))
        if first % 100 == 0:
            time.sleep(0.01)  # not faster than the kernel hands them on
