package import Catalog
package import JSONSlice

/// Why an argument of an entry cannot be taken out of clients' sight, or given a default, safely.
package enum NarrowingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The entry's definition has no argument of this name.
    case unknownArgument(String, nearest: String?)
    /// The schema is no plain object schema, so that what it allows cannot be told from `properties`.
    case schemaNotPlain(keyword: String)
    /// A keyword elsewhere in the schema speaks of the argument.
    case mentioned(String, in: String)
    /// Other parts of the schema refer into the argument's schema, or may.
    case referredTo(String)
    /// The schema refers to itself as a whole, so that each of its arguments stands in it more than once.
    case refersToItself
    /// The value is not one that the argument's schema allows.
    case wrongValue(String, SchemaMismatch)

    package var description: String {
        switch self {
        case .unknownArgument(let name, let nearest?):
            "it has no argument \(name); did you mean \(nearest)?"
        case .unknownArgument(let name, nil):
            "it has no argument \(name)"
        case .schemaNotPlain(let keyword):
            "its inputSchema uses \(keyword) at the top, so single arguments cannot be changed safely"
        case .mentioned(let name, let keyword):
            "\(keyword) in its inputSchema depends on \(name), so \(name) cannot be changed safely"
        case .referredTo(let name):
            "other parts of its inputSchema refer to the schema of \(name), so \(name) cannot be changed safely"
        case .refersToItself:
            "its inputSchema refers to itself as a whole, so single arguments cannot be changed safely"
        case .wrongValue(let name, let mismatch):
            "the value for \(name) does not fit: \(mismatch)"
        }
    }
}

/// Takes fixed arguments out of an entry's definition and writes defaults into it, by splicing: `$defs`,
/// unknown keywords and all other bytes stay.
///
/// What composition hides is convenience, not a boundary: only the owner's rules are. So where
/// a schema is too clever for a change that is plainly right, the change is refused instead of guessed.
package enum Narrowing {
    /// - Complexity: O(arguments · size of the definition).
    package static func narrow(
        _ definition: JSON, of kind: EntryKind, fixed: [Argument], defaults: [Argument]
    ) throws(NarrowingError) -> JSON {
        if fixed.isEmpty, defaults.isEmpty { return definition }
        switch kind {
        case .tool:
            var schema = definition["inputSchema"] ?? .emptyObject
            try checkPlain(schema)
            schema = try fix(fixed, in: schema)
            for argument in defaults { schema = try preset(argument, in: schema) }
            return definition.setting("inputSchema", to: schema)
        case .prompt:
            return try narrow(prompt: definition, fixed: fixed, defaults: defaults)
        case .resource, .resourceTemplate:
            let name = (fixed + defaults)[0].name
            throw .unknownArgument(name, nearest: nil)
        }
    }

    // MARK: Tools (JSON Schema 2020-12)

    /// Keywords through which `properties` is not the whole truth about the arguments, or about their number.
    private static let unclear: Set = [
        "$ref", "$dynamicRef", "$recursiveRef", "minProperties", "maxProperties", "const", "enum",
    ]

    private static func checkPlain(_ schema: JSON) throws(NarrowingError) {
        if let member = schema.members.first(where: { unclear.contains($0.key) }) {
            throw .schemaNotPlain(keyword: member.key)
        }
    }

    /// Takes all of them out at once: what only they refer to one another is no obstacle.
    private static func fix(_ arguments: [Argument], in schema: JSON) throws(NarrowingError) -> JSON {
        var rest = schema
        for argument in arguments {
            let (properties, own) = try property(argument, in: rest)
            let isNamed = contains(own) { key, value in
                ["$id", "$anchor", "$dynamicAnchor"].contains(key) && value.string != nil
            }
            if isNamed { throw .referredTo(argument.name) }
            rest = rest.setting("properties", to: properties.removing(argument.name))
            rest = notRequired(argument.name, in: rest)
        }
        for argument in arguments {
            if let obstacle = obstacle(to: argument.name, referencesIn: rest, of: schema) { throw obstacle }
        }
        return rest
    }

    private static func preset(_ argument: Argument, in schema: JSON) throws(NarrowingError) -> JSON {
        let (properties, own) = try property(argument, in: schema)
        // Where the schema is referred to, the default would be promised for other values too.
        if let obstacle = obstacle(to: argument.name, referencesIn: schema, of: schema) { throw obstacle }
        // `true` allows anything, as `{}` does; only the latter can carry a default.
        let new = (own.kind == .object ? own : .emptyObject).setting("default", to: argument.value)
        return notRequired(
            argument.name, in: schema.setting("properties", to: properties.setting(argument.name, to: new)))
    }

    /// The argument's own schema, once it is certain that nothing else governs it.
    private static func property(
        _ argument: Argument, in schema: JSON
    ) throws(NarrowingError) -> (all: JSON, own: JSON) {
        let properties = schema["properties"] ?? .emptyObject
        guard let own = properties[argument.name] else {
            let names = properties.members.map(\.key)
            throw .unknownArgument(argument.name, nearest: NearestName.to(argument.name, among: names))
        }
        if let keyword = condition(on: argument.name, in: schema) {
            throw .mentioned(argument.name, in: keyword)
        }
        try check(argument, against: own, in: schema)
        return (properties, own)
    }

    private static func notRequired(_ name: String, in schema: JSON) -> JSON {
        guard let required = schema["required"]?.elements, required.contains(where: { $0.string == name })
        else {
            return schema
        }
        let rest = required.filter { $0.string != name }
        // Draft 4 knows no empty `required`.
        return rest.isEmpty ? schema.removing("required") : schema.setting("required", to: .array(rest))
    }

    /// Enough to catch a slip, wherever in the value it is; the backend validates in earnest.
    ///
    /// - Parameter root: the schema that references in the argument's schema lead into.
    private static func check(
        _ argument: Argument, against schema: JSON, in root: JSON
    ) throws(NarrowingError) {
        if let mismatch = SchemaCheck.mismatches(of: argument.value, with: schema, in: root).first {
            throw .wrongValue(argument.name, mismatch)
        }
    }

    // MARK: Prompts

    private static func narrow(
        prompt: JSON, fixed: [Argument], defaults: [Argument]
    ) throws(NarrowingError) -> JSON {
        var arguments = prompt["arguments"]?.elements ?? []
        let names = arguments.compactMap { $0["name"]?.string }
        for argument in fixed + defaults where !names.contains(argument.name) {
            throw .unknownArgument(argument.name, nearest: NearestName.to(argument.name, among: names))
        }
        // Arguments of prompts are texts (MCP 2026-07-28, server/prompts).
        for argument in fixed + defaults where argument.value.kind != .string {
            let words = "must be string, is \(JSONType.words(for: argument.value))"
            throw .wrongValue(argument.name, SchemaMismatch(at: "", words))
        }
        arguments.removeAll { given in fixed.contains { $0.name == given["name"]?.string } }
        arguments = arguments.map { given in
            defaults.contains { $0.name == given["name"]?.string }
                ? given.setting("required", to: false) : given
        }
        return prompt.setting("arguments", to: .array(arguments))
    }
}
