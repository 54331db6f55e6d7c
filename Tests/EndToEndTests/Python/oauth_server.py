"""An MCP server on the PyPI package `mcp` (2.x) that wants tokens of an authorization server, as the package's own settings have it.

    oauth_server.py ISSUER [--port N]

Serves Streamable HTTP at http://127.0.0.1:PORT/mcp and prints {"port": PORT} when it listens; port 0, the default, takes a free one. A token
must be ISSUER's, for this very URL, have the scope `mcp:call`, and be one that ISSUER still counts (`GET /good`).
Tools: `echo(text)`, and `headers()`, which tells what of a request's head reached it.
"""

import argparse
import asyncio
import json
import socket
import urllib.error
import urllib.parse
import urllib.request

import jwt
import uvicorn
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer


class Verifier:
    def __init__(self, issuer, resource):
        self.issuer, self.resource = issuer, resource
        self.keys = jwt.PyJWKClient(f"{issuer}/keys")

    async def verify_token(self, token):
        return await asyncio.to_thread(self.verify, token)

    def verify(self, token):
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=["ES256"], audience=self.resource, issuer=self.issuer)
            urllib.request.urlopen(f"{self.issuer}/good?{urllib.parse.urlencode({'token': token})}", timeout=10).close()
        except (jwt.PyJWTError, urllib.error.HTTPError):
            return None
        return AccessToken(
            token=token, client_id=claims["client_id"], scopes=claims["scope"].split(), expires_at=claims["exp"],
            resource=self.resource, subject=claims["sub"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("issuer")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", arguments.port))
    listener.listen()
    port = listener.getsockname()[1]
    resource = f"http://127.0.0.1:{port}/mcp"
    server = MCPServer(
        "vault", version="1.0.0", log_level="WARNING", token_verifier=Verifier(arguments.issuer, resource),
        auth=AuthSettings(issuer_url=arguments.issuer, resource_server_url=resource, required_scopes=["mcp:call"]))

    @server.tool()
    def echo(text: str) -> str:
        """Says what it was told."""
        return text

    @server.tool()
    def headers(ctx: Context) -> dict[str, str]:
        """What of the request's head came here."""
        request = ctx.request_context.request
        return {name: value for name, value in request.headers.items()} if request else {}

    print(json.dumps({"port": port}), flush=True)
    app = server.streamable_http_app()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
