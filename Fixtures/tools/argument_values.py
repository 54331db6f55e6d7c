#!/usr/bin/env python3
"""Finds values for the arguments of all tools in Fixtures/tools, and proves on them what narrowing a schema has to keep.

    pip install jsonschema && Fixtures/tools/argument_values.py      writes Fixtures/tools/arguments.jsonl

A line for each tool with arguments: `fits` has a value for each argument that its schema allows, `wrong` one that it does not
allow, where there is any. The validator is the package `jsonschema`, so these are a second opinion on what the schemas mean. Arguments
whose schema allows nothing that was tried are told and left out.

For each argument it also holds the plain rule (out of `properties` and `required`, all else as it is) against the
validator, with calls made of the values: what is valid under the narrowed schema is, with the value set, valid under the original,
and the other way round. Where that fails, the argument is listed under `unsafe`: narrowing has to refuse it.
"""

import copy
import json
import pathlib
import sys
from collections import Counter
from urllib.parse import unquote

from jsonschema import Draft201909Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing.exceptions import Unresolvable

TOOLS = pathlib.Path(__file__).resolve().parent
ARN = "arn:aws:s3tables:us-east-1:123456789012:bucket/abc"
DEPTH_MAX = 6  # of a made value; recursive schemas have no end of their own
OTHERS = ["", 0, 1.5, True, None, [], {}, {"no": "such"}, "no such", -1, 10**9]


def resolve(schema, root):
    """What a reference leads to, as far as that takes: what is guessed from it is validated anyway."""
    seen = set()
    while isinstance(schema, dict) and (target := schema.get("$ref", schema.get("$dynamicRef"))) and target not in seen:
        seen.add(target)
        aim = root
        for part in unquote(target).split("#")[-1].split("/")[1:] if "#/" in target else []:
            aim = aim.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(aim, dict) else {}
        schema = aim
    return schema


def guesses(schema, root, depth=0):
    """Values that might fit, the likeliest first."""
    schema = resolve(schema, root)
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        yield "text"
        return
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", [])[:3]
    yield from schema.get("examples", [])[:2] if isinstance(schema.get("examples"), list) else []
    if schema.get("default") is not None:
        yield schema["default"]
    for keyword in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(keyword, []):
            yield from guesses(part, root, depth + 1)
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind == "string":
            formats = {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "uri": "https://example.com/", "email": "a@example.com"}
            yield formats.get(schema.get("format"), "text")
            yield from ("text" + "x" * schema.get("minLength", 0), "1234567890", "12", "2026-01-31", "a-b", "10.0.0.1", "AB", "AB-1", ARN)
        elif kind in ("integer", "number"):
            low = schema.get("minimum", schema.get("exclusiveMinimum", schema.get("maximum", 1)))
            yield from (low, low + 1, 5, 0)
        elif kind == "boolean":
            yield True
        elif kind == "null":
            yield None
        elif kind == "array":
            inner = next(fitting(schema.get("items", {}), root, depth + 1), "text")
            yield [inner] * max(1, schema.get("minItems", 1))
            yield []
        elif kind == "object" or "properties" in schema:
            yield from members(schema, root, depth)
    if "properties" in schema and not kinds:
        yield from members(schema, root, depth)
    yield from ("text", 1, {}, [])


def members(schema, root, depth):
    made = {name: next(fitting(part, root, depth + 1), "text") for name, part in schema.get("properties", {}).items()}
    needed = schema.get("required", [])
    yield {name: made.get(name, "text") for name in needed}
    yield made
    yield {**{name: made.get(name, "text") for name in needed}, "more": "text"}


def fitting(schema, root, depth=0):
    return (value for value in guesses(schema, root, depth) if fits(value, schema, root))


def fits(value, schema, root):
    if not isinstance(schema, dict):
        return schema is not False
    return validator(root).evolve(schema=schema).is_valid(value)


def validator(schema):
    """Of the newest draft, but for what only the one before has."""
    return (Draft201909Validator if '"$recursive' in json.dumps(schema) else Draft202012Validator)(schema)


def narrowed(schema, name):
    rest = copy.copy(schema)
    rest["properties"] = {key: part for key, part in schema["properties"].items() if key != name}
    if "required" in rest:
        rest["required"] = [key for key in schema["required"] if key != name]
    return rest


def calls(fit, wrong, schema):
    needed = {name: fit[name] for name in schema.get("required", []) if name in fit}
    yield needed
    yield fit
    yield {**fit, "no such": 1}
    for name in list(fit)[:8]:
        yield {key: value for key, value in fit.items() if key != name}
        if name in wrong:
            yield {**needed, name: wrong[name]}
        for inner in (without(fit[name], other) for other in fit):
            yield {**needed, name: inner}


def without(value, name):
    """The value with no member of this name anywhere inside."""
    if isinstance(value, dict):
        return {key: without(part, name) for key, part in value.items() if key != name}
    return [without(part, name) for part in value] if isinstance(value, list) else value


def counterexample(schema, name, fit, wrong):
    """A call that shows the plain rule to be wrong for this argument."""
    before, after = validator(schema), validator(narrowed(schema, name))
    for call in calls(fit, wrong, schema):
        shown = {key: value for key, value in call.items() if key != name}
        try:
            if after.is_valid(shown) != before.is_valid({**shown, name: fit[name]}):
                return shown
        except Unresolvable:  # what it referred to is gone
            return shown
    return None


def main():
    counts, lines = Counter(), []
    for file in sorted(TOOLS.glob("*.json")):
        for tool in json.loads(file.read_text(encoding="utf-8"))["tools"]:
            schema = tool["inputSchema"]
            validator(schema).check_schema(schema)
            counts["tools"] += 1
            fit, wrong = {}, {}
            for name, own in schema.get("properties", {}).items():
                counts["arguments"] += 1
                value = next(fitting(own, schema), ValidationError)
                if value is ValidationError:
                    print(f"{file.stem} {tool['name']} {name}: nothing fits", file=sys.stderr)
                    counts["without a value"] += 1
                    continue
                fit[name] = value
                other = next((value for value in OTHERS if not fits(value, own, schema)), ValidationError)
                if other is not ValidationError:
                    wrong[name] = other
            if not fit:
                continue
            if not validator(schema).is_valid(fit):
                counts["tools whose arguments exclude one another"] += 1
            unsafe = [name for name in fit if counterexample(schema, name, fit, wrong) is not None]
            counts["unsafe"] += len(unsafe)
            line = {"server": file.stem, "tool": tool["name"], "fits": fit, "wrong": wrong}
            if unsafe:
                line["unsafe"] = unsafe
            lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    (TOOLS / "arguments.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    main()
