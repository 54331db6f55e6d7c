"""An authorization server in one file, for tests: gives tokens to whoever asks in the right way, and remembers who asked how.

    oauth_issuer.py        prints its issuer, http://127.0.0.1:PORT, then serves until its stdin ends

Authorization code with PKCE (S256), dynamic registration, client credentials; tokens are JSON Web Tokens signed with ES256, whose audience
is the `resource` that was asked for (RFC 8707). `POST /rotate` changes its key; `GET /asked` tells what it was asked.

With CLIENTS={"NAME": {"secret": "…"} or {"key": "a public key in PEM"}} in the environment only these get client credentials, and have to
prove who they are: by client_secret_basic, client_secret_post or private_key_jwt, as METHODS allows. TOKEN_LIFE is in seconds;
`POST /forget` has all tokens from before count no more at `GET /good?token=…`. Every client's tokens have its secret nowhere in them.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class Issuer:
    def __init__(self):
        self.lock = threading.Lock()
        self.keys = []
        self.codes = {}
        self.asked = []
        self.clients = {}
        self.machines = json.loads(os.environ.get("CLIENTS", "{}"))
        self.methods = os.environ.get("METHODS", "client_secret_basic client_secret_post private_key_jwt").split()
        self.life = int(os.environ.get("TOKEN_LIFE", "300"))
        self.assertions = set()
        self.given = set()
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
            "iat": now, "exp": now + self.life, "jti": secrets.token_hex(8), "groups": ["plant"],
        }
        token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": name, "typ": "at+jwt"})
        self.given.add(token)
        return token

    def machine(self, issuer, form, authorization):
        """The client that has proved who it is and how, or None."""
        if not self.machines:
            return form.get("client_id", "machine"), "none"
        method, name = None, form.get("client_id")
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization[6:]).decode()
            name, _, secret = (unquote_plus(part) for part in pair.partition(":"))
            method = "client_secret_basic"
        elif "client_secret" in form:
            secret, method = form["client_secret"], "client_secret_post"
        elif form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            method = "private_key_jwt"
        known = self.machines.get(name)
        if known is None or method not in self.methods:
            return None
        if method != "private_key_jwt":
            return (name, method) if secrets.compare_digest(secret, known.get("secret", secrets.token_hex())) else None
        try:
            claims = jwt.decode(
                form["client_assertion"], known["key"], algorithms=["ES256", "RS256", "EdDSA"], audience=issuer, issuer=name,
                options={"require": ["exp", "iat", "jti", "sub", "aud"]})
        except jwt.PyJWTError:
            return None
        if claims["sub"] != name or claims["jti"] in self.assertions or claims["exp"] - claims["iat"] > 300:
            return None
        self.assertions.add(claims["jti"])
        return name, method


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
                    "token_endpoint_auth_methods_supported": self.issuer.methods if self.issuer.machines
                    else ["none", "client_secret_basic", "client_secret_post"],
                    "authorization_response_iss_parameter_supported": True,
                })
            case "/keys":
                self.say(200, self.issuer.key_set())
            case "/asked":
                self.say(200, self.issuer.asked)
            case "/good":
                self.say(200 if parse_qs(place.query).get("token", [""])[0] in self.issuer.given else 404, {})
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
            case "/forget":
                with self.issuer.lock:
                    self.issuer.given = set()
                self.say(200, {})
            case "/token":
                self.give({key: values[0] for key, values in parse_qs(body.decode()).items()})
            case _:
                self.say(404, {})

    def give(self, form):
        with self.issuer.lock:
            if form.get("grant_type") == "client_credentials":
                proved = self.issuer.machine(self.name, form, self.headers.get("Authorization", ""))
                if proved is None:
                    self.issuer.asked.append({"at": "token", "refused": True})
                    return self.say(401, {"error": "invalid_client", "error_description": str(form)})
                (client, method), subject = proved, proved[0]
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
            self.issuer.asked.append({"at": "token", "resource": resource, "scope": scope, "client": client})
            if form.get("grant_type") == "client_credentials":
                self.issuer.asked[-1] |= {"method": method, "token": token}
        self.say(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": self.issuer.life, "scope": scope},
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
