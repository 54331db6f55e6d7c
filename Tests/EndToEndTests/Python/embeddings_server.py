"""An embeddings endpoint in the shape of OpenAI's that knows a few concepts.

    EMBEDDINGS_KEY=... embeddings_server.py

Serves http://127.0.0.1:PORT/v1/embeddings on a free port and prints {"port": PORT}. A text's vector is the sum of its concepts'
axes; anything without `Authorization: Bearer $EMBEDDINGS_KEY` gets 401. Each request prints {"texts": N}.
"""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONCEPTS = [{"add", "abacus", "bookkeeping"}, {"echo", "parrot"}, {"countdown", "tortoise"}]


def vector(text, dimensions):
    words = set(re.findall(r"[a-z]+", text.lower()))
    axes = [float(bool(words & concept)) for concept in CONCEPTS]
    nothing = [] if any(axes) else [1.0]
    numbers = axes + nothing
    return numbers + [0.0] * (dimensions - len(numbers))


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {os.environ['EMBEDDINGS_KEY']}":
            return self.answer(401, {"error": {"message": f"no such key: {self.headers.get('Authorization')}"}})
        if self.path != "/v1/embeddings" or request["encoding_format"] != "float":
            return self.answer(404, {})
        texts = request["input"]
        print(json.dumps({"texts": len(texts)}), flush=True)
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, request["dimensions"])}
            for index, text in enumerate(texts)
        ]
        self.answer(200, {"object": "list", "model": request["model"], "data": data[::-1]})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()
