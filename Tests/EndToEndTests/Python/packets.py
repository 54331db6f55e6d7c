"""Prints a line for every TCP packet that comes in to an address of this host: packets.py ADDRESS.

Prints `ready` once it listens. Needs the right to open packet sockets.
"""

import socket
import sys

wanted = socket.inet_aton(sys.argv[1])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
print("ready", flush=True)
while True:
    packet = tap.recv(65536)
    if packet[9] == socket.IPPROTO_TCP and packet[16:20] == wanted:
        at = (packet[0] & 15) * 4
        print(f"packet to port {int.from_bytes(packet[at + 2 : at + 4])}", flush=True)
