"""The official MCP client with its own OAuth flow, as a program, and a person who agrees to everything.

    oauth_client.py URL [TOOL JSON]...      lists tools at URL, then calls each TOOL, all with the tokens that it gets by itself;
                                            prints {"tools": [...], "results": [...], "agreed": N}

Runs on releases 1.x and 2.x of the PyPI package `mcp`. Exit status: 0 all went well, 1 a call failed, 2 anything else.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import mcp
from client import IS_ONE, One, Two, causes, plain, tools
from mcp.client.auth import OAuthClientProvider
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata


class Storage:
    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """Goes to the authorization server, agrees, and is sent back with a code."""

    def __init__(self):
        self.agreed = 0
        self.answer = {}

    async def go(self, url):
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *arguments):
                return None

        try:
            urllib.request.build_opener(Stay).open(url, timeout=10)
        except urllib.error.HTTPError as answer:
            back = urlsplit(answer.headers["Location"])
            self.answer = {key: values[0] for key, values in parse_qs(back.query).items()}
            self.agreed += 1

    async def come_back(self):
        if IS_ONE:
            return self.answer["code"], self.answer.get("state")
        from mcp.shared.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(**self.answer)


async def main(url, *calls):
    person = Person()
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="test", redirect_uris=["http://127.0.0.1:1/back"],
            grant_types=["authorization_code", "refresh_token"], response_types=["code"],
            token_endpoint_auth_method="none"),
        storage=Storage(), redirect_handler=person.go, callback_handler=person.come_back)
    async with create_mcp_http_client(auth=provider) as http:
        async with (One if IS_ONE else Two).connect(url, http) as connection:
            listed = [tool["name"] for tool in await tools(connection)]
            results = []
            for tool, arguments in zip(calls[::2], calls[1::2]):
                results.append(plain(await connection.call(tool, json.loads(arguments))))
    print(json.dumps({"tools": listed, "results": results, "agreed": person.agreed}), flush=True)
    return 1 if any(result.get("isError") for result in results) else 0


if __name__ == "__main__":
    try:
        status = asyncio.run(main(*sys.argv[1:]))
    except Exception as failure:  # whatever it is: one line for a person, and a status for the test
        print("\n".join(causes(failure)), file=sys.stderr)
        status = 2
    sys.exit(status)
