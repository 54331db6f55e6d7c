"""What the matrix consists of: its axes, which cells mean something, and a subset that covers every pair.

A cell is (front, back, feature, path). Fronts and backs are the seven ways to speak MCP, and further clients and servers
of the world for some of them; a path is how many hops lie between the node that the client talks to and the one that
owns the server.
"""

import itertools
import json
import pathlib
from dataclasses import asdict, dataclass

WIRES = (
    "http-2026-07-28",
    "http-2025-11-25",
    "http-2025-06-18",
    "http-2025-03-26",
    "sse-2024-11-05",
    "stdio-2026-07-28",
    "stdio-2025-11-25",
)
# Streamable HTTP too: release 2.x of `mcp` towards legacy servers, and servers on `fastmcp`.
FRONTS = (*WIRES, "mcp2-2025-11-25")
BACKS = (*WIRES, "fastmcp4-2026-07-28", "fastmcp2-2025-11-25")
FEATURES = (
    "tool call",
    "progress",
    "elicitation",
    "sampling",
    "resource read",
    "list change",
    "cancel",
    "error",
)
LOCAL, TWO_HOPS = 0, 2
PATHS = (LOCAL, TWO_HOPS)
OUTCOMES = ("ok", "failed", "not_applicable")
HERE = pathlib.Path(__file__).parent


def revision(wire):
    """The revision of MCP that a wire speaks: `http-2025-06-18` speaks 2025-06-18."""
    return wire.split("-", 1)[1]


def kind(wire):
    """What comes before the revision."""
    return wire.split("-", 1)[0]


def transport(wire):
    return kind(wire) if kind(wire) in ("stdio", "sse") else "http"


@dataclass(frozen=True)
class Cell:
    front: str
    back: str
    feature: str
    hops: int

    def __str__(self):
        return f"{self.front} | {self.back} | {self.feature} | {'local' if self.hops == LOCAL else 'two hops'}"

    def plain(self):
        return asdict(self)


def read(name):
    return json.loads((HERE / name).read_text())


def not_applicable(cell, rules=read("not_applicable.json")):
    """Why a cell means nothing, or None (not_applicable.json).

    A revision on either side does not have the feature, or a server does not offer what is optional.
    """
    for rule in rules:
        if cell.feature != rule["feature"]:
            continue
        for side, wire in (("client", cell.front), ("server", cell.back)):
            if revision(wire) in rule.get("revisions", []):
                return f"the {side} speaks {revision(wire)}: {rule['reason']}"
        if cell.back in rule.get("servers", []):
            return rule["reason"]
    return None


def known_gap(cell, gaps=read("known_gaps.json")):
    """Why a cell is known to fail, or None. A gap names the values it holds for; an axis that it leaves out is any."""
    members = cell.plain()
    for gap in gaps:
        if all(members[axis] in gap[axis] for axis in members if axis in gap):
            return gap["reason"]
    return None


def every_cell():
    return [Cell(*values) for values in itertools.product(FRONTS, BACKS, FEATURES, PATHS)]


def direct_cells():
    """Cells whose client and server speak alike, so that they need nothing between them."""
    cells = [cell for cell in every_cell() if cell.hops == LOCAL]
    return [cell for cell in cells if alike(cell.front) == alike(cell.back)]


def alike(wire):
    return transport(wire), revision(wire)


def covering_cells():
    """Some 130 cells with every pair of values of any two axes, and every (front, feature, path).

    The back moves on by one with each front and each feature, as in a Latin square, and by three with the path; where
    that lands on a cell that means nothing, it moves on to one that does.
    """
    chosen = []
    axes = itertools.product(enumerate(FRONTS), enumerate(FEATURES), enumerate(PATHS))
    for (front_index, front), (feature_index, feature), (path_index, hops) in axes:
        start = front_index + feature_index + 3 * path_index
        row = [Cell(front, BACKS[(start + step) % len(BACKS)], feature, hops) for step in range(len(BACKS))]
        # Where the front itself lacks the feature all are alike; the first stands for them.
        chosen.append(next((cell for cell in row if not not_applicable(cell)), row[0]))
    # Moving on leaves out a few pairs; a plain call speaks for them.
    met = {(cell.front, cell.back) for cell in chosen}
    for front, back in itertools.product(FRONTS, BACKS):
        if (front, back) not in met:
            chosen.append(Cell(front, back, FEATURES[0], TWO_HOPS))
    return chosen
