"""Serves an ASGI application on a free port of 127.0.0.1, says which, and ends with whoever holds its standard input."""

import json
import os
import socket
import sys
import threading

import uvicorn


def serve(app):
    threading.Thread(target=end_with_input, daemon=True).start()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


def end_with_input():
    sys.stdin.read()
    os._exit(0)
