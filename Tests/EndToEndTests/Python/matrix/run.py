"""Runs the matrix: official clients and servers of every revision of MCP, through real nodes.

    run.py --binary MARTLET --environments FOLDER [--covering | --direct] [--only TEXT ...]
           [--results FILE] [--table FILE] [--keep]

--environments   the folder with the virtual environments mcp1, mcp2, fastmcp2 and fastmcp4; scripts/matrix makes them
--covering       some 130 cells that cover every pair, instead of all
--direct         without nodes, where front and back speak alike: what the servers and clients do by themselves
--only           only cells whose name, as printed, has all these texts
--results        writes every cell with its outcome, as JSON
--table          writes the table of docs/reference; only for a run of all cells
--keep           leaves the folder of the run, with the logs of all processes, and says where it is

Prints the cells that are not as they should be: those that failed and are no known gap (known_gaps.json), those that
are one and work now, and those that gave no outcome. Exit status: 0 none, 1 some, 2 there was no run.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import report
from mesh import Failure, Mesh
from plan import Cell, covering_cells, direct_cells, every_cell, known_gap, not_applicable

CELL_SECONDS_MAX = 30  # more than a client grants a cell, with its connection
LANES = 4


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--environments", required=True)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--covering", action="store_true")
    which.add_argument("--direct", action="store_true")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    if asked.table and (asked.covering or asked.direct or asked.only):
        parser.error("--table is for a run of all cells")
    return asked


def chosen(asked):
    if asked.direct:
        cells = direct_cells()
    else:
        cells = covering_cells() if asked.covering else every_cell()
    return [cell for cell in cells if all(part in str(cell) for part in asked.only)]


class Runs:
    """The outcomes of the cells that mean something, from clients that run side by side."""

    def __init__(self, mesh, cells):
        self.mesh = mesh
        self.outcomes = {}
        self.waiting = {}
        for cell in cells:
            self.waiting.setdefault(cell.front, []).append(cell)
        self.lock = threading.Lock()

    def run(self):
        lanes = [threading.Thread(target=self.lane) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        return self.outcomes

    def lane(self):
        """Runs the cells of one front after the other, until none is left."""
        while True:
            with self.lock:
                if not self.waiting:
                    return
                front = next(iter(self.waiting))
                cells = self.waiting.pop(front)
            # A client that hangs or dies takes one cell with it; the rest goes to a new one.
            while cells:
                cells = self.client(front, cells)

    def client(self, front, cells):
        environment = {**self.mesh.environment()}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.lock:
            number = len(list(self.mesh.folder.glob("client-*.log")))
            process = self.mesh.spawn(f"client-{number}-{front}", self.mesh.client(front), environment, **pipes)
        try:
            for index, cell in enumerate(cells):
                outcome = self.one(process, cell)
                with self.lock:
                    self.outcomes[cell] = outcome
                    print("." if outcome["outcome"] == "ok" else "F", end="", file=sys.stderr, flush=True)
                if process.poll() is not None or outcome["seconds"] is None:
                    return cells[index + 1 :]
        finally:
            process.kill()
        return []

    def job(self, cell):
        is_direct = self.mesh.is_direct
        target = self.mesh.direct_target(cell) if is_direct else self.mesh.target(cell)
        return {**cell.plain(), "is_direct": is_direct, "target": target}

    def one(self, process, cell):
        alarm = threading.Timer(CELL_SECONDS_MAX, process.kill)
        alarm.start()
        try:
            process.stdin.write(json.dumps(self.job(cell)) + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
        except BrokenPipeError:
            said = ""
        finally:
            alarm.cancel()
        if said:
            return json.loads(said)
        detail = f"the client gave no outcome within {CELL_SECONDS_MAX} s, or ended"
        return {**cell.plain(), "outcome": "failed", "detail": detail, "seconds": None}


def judged(cells, outcomes, is_direct):
    """Every cell with its outcome, and with the gap it falls into, if any."""
    results = []
    for cell in cells:
        reason = not_applicable(cell)
        if reason:
            result = {**cell.plain(), "outcome": "not_applicable", "detail": reason}
        else:
            missing = {**cell.plain(), "outcome": "failed", "detail": "it was not run", "seconds": None}
            result = outcomes.get(cell, missing)
            gap = None if is_direct else known_gap(cell)
            if gap:
                result = {**result, "gap": gap}
        results.append(result)
    return results


def surprises(results):
    lines = []
    for result in results:
        cell = Cell(*(result[axis] for axis in ("front", "back", "feature", "hops")))
        if result["outcome"] == "failed" and "gap" not in result:
            lines.append(f"failed: {cell}: {result['detail']}")
        if result["outcome"] == "ok" and "gap" in result:
            lines.append(f"works, and is still in known_gaps.json: {cell}")
    return lines


def main():
    asked = arguments()
    cells = chosen(asked)
    if not cells:
        raise Failure("no cell is called that")
    folder = tempfile.mkdtemp(prefix="martlet-matrix-")
    try:
        with Mesh(asked.binary, asked.environments, folder, is_direct=asked.direct) as mesh:
            applicable = [cell for cell in cells if not not_applicable(cell)]
            outcomes = Runs(mesh, applicable).run()
            results = judged(cells, outcomes, asked.direct)
            versions = mesh.versions()
    finally:
        if asked.keep:
            print(f"\neverything of this run is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(file=sys.stderr)
    if asked.results:
        asked.results.parent.mkdir(parents=True, exist_ok=True)
        asked.results.write_text(json.dumps({"versions": versions, "cells": results}, indent=1) + "\n")
    if asked.table:
        asked.table.parent.mkdir(parents=True, exist_ok=True)
        asked.table.write_text(report.table(results, versions))
    lines = surprises(results)
    for line in lines:
        print(line)
    print(report.counts(results))
    return 1 if lines else 0


if __name__ == "__main__":
    try:
        status = main()
    except Failure as failure:
        print(f"run.py: {failure}", file=sys.stderr)
        status = 2
    sys.exit(status)
