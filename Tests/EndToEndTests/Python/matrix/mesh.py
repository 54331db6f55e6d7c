"""What the matrix runs on: the servers, and three real nodes of which the outer two dial only the middle one.

`near` is where the clients are, `far` two hops away; both have all the servers.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

from plan import BACKS, LOCAL, kind, revision, transport

HERE = pathlib.Path(__file__).parent
# The virtual environments, and what of PyPI is looked at in each.
SDKS = {"mcp1": "mcp", "mcp2": "mcp", "fastmcp2": "fastmcp", "fastmcp4": "fastmcp"}
READY_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.05


class Failure(Exception):
    """What stops a run of the matrix, said in full."""


class Mesh:
    """The nodes and servers of one run; everything of it lies in `folder`."""

    def __init__(self, binary, environments, folder, is_direct=False):
        self.binary = binary
        self.is_direct = is_direct
        self.folder = pathlib.Path(folder)
        self.traces = self.folder / "traces"
        self.traces.mkdir()
        self.pythons = {sdk: f"{environments}/{sdk}/bin/python" for sdk in SDKS}
        self.addresses = {}
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.stack = stack
            self.start()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    # Where things are

    def server(self, wire):
        """The program that serves over a wire."""
        if kind(wire).startswith("fastmcp"):
            return [self.pythons[kind(wire)], str(HERE / f"server_{kind(wire)}.py"), transport(wire)]
        if revision(wire) >= "2026-07-28":
            return [self.pythons["mcp2"], str(HERE / "server_mcp2.py"), transport(wire)]
        return [self.pythons["mcp1"], str(HERE / "server_mcp1.py"), transport(wire), revision(wire)]

    def client(self, wire):
        """The program that runs the cells of a front."""
        sdk = "mcp2" if revision(wire) >= "2026-07-28" or kind(wire) == "mcp2" else "mcp1"
        return [self.pythons[sdk], str(HERE / f"client_{sdk}.py")]

    def target(self, cell):
        """What the client of a cell connects to: the server by itself, at the node where the client is."""
        server = cell.back if cell.hops == LOCAL else f"far--{cell.back}"
        url = f"http://{self.running('near')['mcp']}/servers/{server}"
        match transport(cell.front):
            case "http":
                return {"url": f"{url}/mcp"}
            case "sse":
                return {"events": f"{url}/sse"}
            case _:
                environment = {"XDG_RUNTIME_DIR": str(self.folder / "near" / "run")}
                return {"command": [self.binary, "stdio", "--server", server], "environment": environment}

    def direct_target(self, cell):
        """The same without anything between; only where front and back speak alike."""
        match transport(cell.front):
            case "http":
                return {"url": self.addresses[cell.back]}
            case "sse":
                return {"events": self.addresses[cell.back]}
            case _:
                return {"command": self.server(cell.back), "environment": self.environment()}

    def environment(self):
        return {"MATRIX_FOLDER": str(self.traces)}

    def versions(self):
        """What took part in the run."""
        found = {"martlet": f"Martlet {self.run([self.binary, '--version']).strip()}"}
        for sdk, package in SDKS.items():
            ask = f"import importlib.metadata; print(importlib.metadata.version('{package}'))"
            found[sdk] = f"{package} {self.run([self.pythons[sdk], '-c', ask]).strip()}"
        return found

    # The way there

    def start(self):
        for wire in BACKS:
            if transport(wire) != "stdio":
                self.addresses[wire] = self.listen(wire)
        if self.is_direct:
            return
        self.up("middle", {}, mesh="127.0.0.1:0")
        for name in ("near", "far"):
            token = self.martlet("middle", "mesh", "token", "--segment", name, "--label", name).strip()
            self.up(name, {wire: self.definition(wire) for wire in BACKS}, mesh="none", token=token)
        self.eventually("near knows all servers", self.is_complete)

    def spawn(self, name, command, environment, **pipes):
        """A process that ends when the run does; what it says on standard error goes to NAME.log."""
        log = self.stack.enter_context(open(self.folder / f"{name}.log", "wb"))
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        process = subprocess.Popen(command, env=environment, stderr=log, **pipes)
        self.stack.callback(end, process)
        return process

    def listen(self, wire):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = self.spawn(wire, self.server(wire), self.environment(), **pipes)
        said = process.stdout.readline()
        if not said:
            raise Failure(f"the server {wire} did not start:\n{self.log(wire)}")
        path = "sse" if transport(wire) == "sse" else "mcp"
        return f"http://127.0.0.1:{json.loads(said)['port']}/{path}"

    def definition(self, wire):
        """A server as a node's configuration has it."""
        if wire in self.addresses:
            kind = {"type": "sse"} if transport(wire) == "sse" else {}
            return {"url": self.addresses[wire], **kind}
        [command, *arguments] = self.server(wire)
        return {"command": command, "args": arguments, "env": self.environment()}

    def up(self, name, servers, mesh, token=None):
        home = self.folder / name
        (home / "run").mkdir(parents=True)
        configuration = {
            "node": {"name": name, "segment": name},
            "listen": {"mcp": "127.0.0.1:0", "admin": "127.0.0.1:0", "mesh": mesh},
            "mesh": {"mdns": "off"},
            "servers": servers,
        }
        (home / "martlet.yaml").write_text(json.dumps(configuration, indent=2))  # YAML 1.2 has JSON in it
        command = [self.binary, "up", "--until-stdin-closes", "--data", str(home / "data")]
        command += ["--config", str(home / "martlet.yaml")]
        if token:
            (home / "join").write_text(token)
            command += ["--join", f"@{home / 'join'}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        environment = {"XDG_RUNTIME_DIR": str(home / "run"), "MARTLET_LOG": "debug"}
        process = self.spawn(name, command, environment, **pipes)

        def is_up():
            if process.poll() is not None:
                raise Failure(f"the node {name} ended early:\n{self.log(name)}")
            return (home / "data" / "node.json").exists()

        self.eventually(f"the node {name} is up", is_up)

    def is_complete(self):
        """Whether both nodes' servers are all there at `near`, with all their tools."""
        wanted = {(node, wire) for node in ("near", "far") for wire in BACKS}
        return wanted <= self.available()

    def available(self):
        """The owner and name of each server whose `fail`, the last of its tools, can be called from `near`."""
        entries = self.ask("near", "/v1/catalog/search", {"query": "fail", "limit": 10_000})["entries"]
        return {(entry["owner"], entry["server"]) for entry in entries if entry["state"] == "available"}

    # Asking nodes

    def running(self, name):
        return json.loads((self.folder / name / "data" / "node.json").read_text())

    def ask(self, name, path, body=None):
        token = (self.folder / name / "data" / "admin.token").read_text().strip()
        request = urllib.request.Request(
            f"http://{self.running(name)['admin']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def martlet(self, name, *arguments):
        return self.run([self.binary, *arguments], {"XDG_RUNTIME_DIR": str(self.folder / name / "run")})

    def run(self, command, environment={}):
        environment = {**os.environ, **environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=READY_SECONDS)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def log(self, name, lines=12):
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def eventually(self, what, is_so):
        deadline = time.monotonic() + READY_SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                logs = "\n".join(f"-- {name}\n{self.log(name)}" for name in ("near", "middle", "far"))
                raise Failure(f"not so within {READY_SECONDS} s: {what}\n{logs}")
            time.sleep(POLL_SECONDS)


def end(process):
    """Asks a process to end, and waits for it; one that does not is killed."""
    if process.stdin:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        print(f"{process.args[0]} had to be killed", file=sys.stderr)
