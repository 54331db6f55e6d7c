"""An authorization server in one file, for tests: gives tokens to whoever asks in the right way, and remembers who asked how.

    oauth_issuer.py        prints its issuer, http://127.0.0.1:PORT, then serves until its stdin ends

Authorization code with PKCE (S256), dynamic registration, client credentials; tokens are JSON Web Tokens signed with ES256, whose audience
is the `resource` that was asked for (RFC 8707). `POST /rotate` changes its key; `GET /asked` tells what it was asked.
"""

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class Issuer:
    def __init__(self):
        self.lock = threading.Lock()
        self.keys = []
        self.codes = {}
        self.asked = []
        self.clients = {}
        self.rotate()

    def rotate(self):
        """A new key signs from now on; the former ones can still be checked."""
        self.keys.append((f"key-{len(self.keys) + 1}", ec.generate_private_key(ec.SECP256R1())))

    def key_set(self):
        keys = []
        for name, key in self.keys:
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
            keys.append({**public, "kid": name, "use": "sig", "alg": "ES256"})
        return {"keys": keys}

    def token(self, issuer, subject, client, resource, scope):
        name, key = self.keys[-1]
        now = int(time.time())
        claims = {
            "iss": issuer, "sub": subject, "aud": resource, "client_id": client, "scope": scope,
            "iat": now, "exp": now + 300, "jti": secrets.token_hex(8), "groups": ["plant"],
        }
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": name, "typ": "at+jwt"})


class Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def say(self, status, body=None, headers=()):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        place = urlsplit(self.path)
        match place.path:
            case "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration":
                self.say(200, {
                    "issuer": self.name, "authorization_endpoint": f"{self.name}/authorize",
                    "token_endpoint": f"{self.name}/token", "registration_endpoint": f"{self.name}/register",
                    "jwks_uri": f"{self.name}/keys", "response_types_supported": ["code"],
                    "grant_types_supported": ["authorization_code", "client_credentials"],
                    "code_challenge_methods_supported": ["S256"],
                    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
                    "authorization_response_iss_parameter_supported": True,
                })
            case "/keys":
                self.say(200, self.issuer.key_set())
            case "/asked":
                self.say(200, self.issuer.asked)
            case "/authorize":
                asked = {key: values[0] for key, values in parse_qs(place.query).items()}
                code = secrets.token_urlsafe(16)
                with self.issuer.lock:
                    self.issuer.codes[code] = asked
                    self.issuer.asked.append(
                        {"at": "authorize", "resource": asked.get("resource"), "scope": asked.get("scope", "")})
                back = urlencode({"code": code, "state": asked.get("state", ""), "iss": self.name})
                self.say(302, headers=[("Location", f"{asked['redirect_uri']}?{back}")])
            case _:
                self.say(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match urlsplit(self.path).path:
            case "/register":
                client = {**json.loads(body), "client_id": secrets.token_hex(8)}
                if client.get("token_endpoint_auth_method", "none") != "none":
                    client["client_secret"] = secrets.token_hex(16)
                self.say(201, client)
            case "/rotate":
                with self.issuer.lock:
                    self.issuer.rotate()
                self.say(200, {})
            case "/token":
                self.give({key: values[0] for key, values in parse_qs(body.decode()).items()})
            case _:
                self.say(404, {})

    def give(self, form):
        with self.issuer.lock:
            if form.get("grant_type") == "client_credentials":
                client, subject = form.get("client_id", "machine"), form.get("client_id", "machine")
                resource, scope = form.get("resource", ""), form.get("scope", "")
            else:
                asked = self.issuer.codes.pop(form.get("code", ""), None)
                proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                if asked is None or base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]:
                    return self.say(400, {"error": "invalid_grant"})
                if form.get("resource") != asked.get("resource"):
                    return self.say(400, {"error": "invalid_target"})
                client, subject = asked["client_id"], "person-1"
                resource, scope = asked.get("resource", ""), asked.get("scope", "")
            token = self.issuer.token(self.name, subject, client, resource, scope)
            self.issuer.asked.append({"at": "token", "resource": resource, "scope": scope})
        self.say(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": scope},
            headers=[("Cache-Control", "no-store")])


def main():
    Handler.issuer = Issuer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.name = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(Handler.name, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
