"""A DNS server for one SRV record and one address: dns_server.py NAME TARGET PORT ADDRESS. Listens on 127.0.0.1:53."""

import socket
import struct
import sys

name, target, port, address = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def encoded(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(kind, data):
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    question, peer = server.recvfrom(512)
    end = question.index(b"\0", 12) + 5
    asked, kind = question[12 : end - 4].lower(), struct.unpack("!H", question[end - 4 : end - 2])[0]
    answers = []
    if asked == encoded(name) and kind == 33:
        answers = [record(33, struct.pack("!HHH", 1, 1, port) + encoded(target))]
    elif asked == encoded(target) and kind == 1:
        answers = [record(1, socket.inet_aton(address))]
    known = asked in (encoded(name), encoded(target))
    head = struct.pack("!HHHHHH", struct.unpack("!H", question[:2])[0], 0x8580 | (0 if known else 3), 1, len(answers), 0, 0)
    server.sendto(head + question[12:end] + b"".join(answers), peer)
