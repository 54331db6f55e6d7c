package import JSONSlice

/// Tells what in a value plainly does not fit a JSON Schema (2020-12, and the drafts before it as far as they say the same).
///
/// It is there to help whoever wrote the value, and never in the way: what it does not know (`pattern`, `format`, references out of
/// the schema, `unevaluatedProperties`, …) it holds for fitting, and so does it with all that lies beyond its bounds. The backend
/// validates in earnest.
package struct SchemaCheck {
    /// Told of at once; a person or a model mends these first.
    package static let mismatchesMax = 8
    /// Levels that it follows, references included; a recursive schema has no end of its own.
    static let depthMax = 32
    /// Bytes of a value, beyond which it is not looked at: people and models write less by hand.
    package static let valueBytesMax = 1024 * 1024
    /// Bytes of values and schemas that are walked, over all: `anyOf` within `anyOf` grows fast, and this is done where other calls
    /// wait. Some 20 ms.
    static let workMax = 16 * 1024 * 1024

    /// - Complexity: O(bytes of both · their depth) for schemas as tools have them; ``workMax`` bounds the rest.
    ///
    /// - Parameter root: what references lead into, where the schema is a part of a larger one.
    package static func mismatches(
        of value: JSON, with schema: JSON, in root: JSON? = nil
    ) -> [SchemaMismatch] {
        guard value.bytes.count <= valueBytesMax else { return [] }
        var check = SchemaCheck(root: root ?? schema)
        check.apply(schema, to: value, at: "", depth: 0)
        return Array(check.found.prefix(mismatchesMax))
    }

    private let root: JSON
    private var work = 0
    private var found: [SchemaMismatch] = []
    /// What references lead to; each is looked for once.
    private var aims: [String: JSON] = [:]

    private init(root: JSON) { self.root = root }

    /// Whether there is nothing more to be told, or no more time to find it.
    private var isDone: Bool { work > Self.workMax || found.count >= Self.mismatchesMax }

    private mutating func report(_ place: String, _ message: String) {
        if found.count < Self.mismatchesMax { found.append(SchemaMismatch(at: place, message)) }
    }

    private mutating func apply(_ schema: JSON, to value: JSON, at place: String, depth: Int) {
        work += schema.bytes.count + value.bytes.count
        guard depth <= Self.depthMax, !isDone else { return }
        if schema.bool == false { return report(place, "is not allowed here") }
        guard schema.kind == .object else { return }
        // Draft 7 and before ignore all that stands beside a reference; what is followed here holds in both.
        if let target = schema["$ref"]?.string {
            if let aim = aim(of: target) { apply(aim, to: value, at: place, depth: depth + 1) }
            return
        }
        guard checkType(schema, value, place) else { return }
        checkChoices(schema, value, place)
        switch value.kind {
        case .object: checkMembers(schema, value, place, depth)
        case .array: checkElements(schema, value, place, depth)
        case .string: checkText(schema, value, place)
        case .number: checkNumber(schema, value, place)
        case .bool, .null: break
        }
        combine(schema, value, place, depth)
    }

    private mutating func aim(of target: String) -> JSON? {
        if let known = aims[target] { return known }
        work += root.bytes.count
        guard target.hasPrefix("#") else { return nil }
        let aim = root.pointer(String(target.dropFirst()).unescapedFragment)
        aims[target] = aim
        return aim
    }

    /// A suggestion compares letter by letter, and `anyOf` may ask for one in each of its forms.
    private mutating func nearestName(to word: String, among names: [String]) -> String? {
        guard !isDone else { return nil }
        let letters = min(word.utf8.count, NearestName.lengthMax)
        work += min(names.count, NearestName.candidatesMax) * letters * letters
        return NearestName.to(word, among: names)
    }

    // MARK: Any value

    private mutating func checkType(_ schema: JSON, _ value: JSON, _ place: String) -> Bool {
        guard let type = schema["type"] else { return true }
        // OpenAPI 3.0's word, which servers made of such descriptions keep.
        if value.isNull, schema["nullable"]?.bool == true { return true }
        let types = type.kind == .array ? type.elements.compactMap(\.string) : type.string.map { [$0] } ?? []
        guard !types.isEmpty, !types.contains(where: { JSONType.fits(value, $0) }) else { return true }
        report(place, "must be \(types.joined(separator: " or ")), is \(JSONType.words(for: value))")
        return false
    }

    private mutating func checkChoices(_ schema: JSON, _ value: JSON, _ place: String) {
        if let constant = schema["const"], !constant.isSameValue(as: value) {
            report(place, "must be \(JSONType.show(constant)), is \(JSONType.show(value))")
        }
        guard let choices = schema["enum"], choices.kind == .array else { return }
        let all = choices.elements
        guard !all.contains(where: { $0.isSameValue(as: value) }) else { return }
        let shown = all.prefix(12).map(JSONType.show).joined(separator: ", ")
        let rest = all.count > 12 ? ", …" : ""
        let nearest = value.string.flatMap { nearestName(to: $0, among: all.compactMap(\.string)) }
        let advice = nearest.map { "; did you mean \"\($0)\"?" } ?? ""
        report(place, "must be one of \(shown)\(rest), is \(JSONType.show(value))\(advice)")
    }

    /// What does not fit, without telling of it.
    private mutating func trial(
        _ schema: JSON, _ value: JSON, _ place: String, _ depth: Int
    ) -> [SchemaMismatch] {
        let told = found
        found = []
        apply(schema, to: value, at: place, depth: depth + 1)
        defer { found = told }
        return found
    }

    private mutating func combine(_ schema: JSON, _ value: JSON, _ place: String, _ depth: Int) {
        for part in schema["allOf"]?.elements ?? [] { apply(part, to: value, at: place, depth: depth + 1) }
        for keyword in ["anyOf", "oneOf"] {
            guard let choices = schema[keyword]?.elements, !choices.isEmpty else { continue }
            var nearest: [SchemaMismatch]?
            var isFitting = false
            for choice in choices {
                let wrong = trial(choice, value, place, depth)
                if wrong.isEmpty {
                    isFitting = true
                    break
                }
                // The one that speaks of something inside got further than one that wanted another type.
                if nearest == nil || (nearest ?? []).allSatisfy({ $0.place == place }) { nearest = wrong }
            }
            guard !isFitting, let nearest else { continue }
            if choices.count == 1 || nearest.contains(where: { $0.place != place }) {
                for mismatch in nearest { report(mismatch.place, mismatch.message) }
            } else {
                let all = choices.compactMap { $0["type"]?.string ?? $0["const"].map(JSONType.show) }
                report(
                    place,
                    all.count == choices.count
                        ? "must be \(all.joined(separator: " or ")), is \(JSONType.show(value))"
                        : nearest.first?.message ?? "fits none of its \(choices.count) forms")
            }
        }
        if let condition = schema["if"] {
            // What is found not to fit does not; what is not found may only be unknown here.
            let isMet = trial(condition, value, place, depth).isEmpty
            if let branch = schema[isMet ? "then" : "else"], !isMet || Self.isPlain(condition) {
                apply(branch, to: value, at: place, depth: depth + 1)
            }
        }
    }

    /// Keywords all of which are checked here.
    private static let plain: Set<String> = [
        "type", "const", "enum", "required", "properties", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength", "maxLength", "title", "description", "$comment",
    ]

    /// Whether a condition that nothing was found against is met.
    private static func isPlain(_ condition: JSON) -> Bool {
        condition.kind == .object
            && condition.members.allSatisfy { key, value in
                plain.contains(key) && (key != "properties" || value.members.allSatisfy { isPlain($0.value) })
            }
    }

    // MARK: Objects

    private mutating func checkMembers(_ schema: JSON, _ value: JSON, _ place: String, _ depth: Int) {
        let properties = schema["properties"]?.members ?? []
        let known = Dictionary(properties.map { ($0.key, $0.value) }) { first, _ in first }
        let members = value.members
        let given = Set(members.map(\.key))
        for name in schema["required"]?.elements.compactMap(\.string) ?? [] where !given.contains(name) {
            report(place, "lacks \(name)\(Self.expected(known[name]))")
        }
        let isOpen = schema["patternProperties"] != nil
        let rest = schema["additionalProperties"]
        for (key, member) in members {
            guard !isDone else { return }
            let inner = place.isEmpty ? key : "\(place).\(key)"
            if let own = known[key] {
                apply(own, to: member, at: inner, depth: depth + 1)
            } else if !isOpen, let rest {
                if rest.bool == false {
                    let names = properties.map(\.key)
                    let advice =
                        nearestName(to: key, among: names).map { "did you mean \($0)?" }
                        ?? (names.isEmpty
                            ? "it takes none" : "it takes \(names.prefix(24).joined(separator: ", "))")
                    report(place, "has no \(key); \(advice)")
                } else {
                    apply(rest, to: member, at: inner, depth: depth + 1)
                }
            }
        }
        count(members.count, schema, "minProperties", "maxProperties", "members", place)
    }

    private static func expected(_ schema: JSON?) -> String {
        guard let type = schema?["type"]?.string else { return "" }
        return " (\(type))"
    }

    // MARK: Arrays

    private mutating func checkElements(_ schema: JSON, _ value: JSON, _ place: String, _ depth: Int) {
        let elements = value.elements
        let tuple = schema["prefixItems"]?.elements ?? []
        for (index, element) in elements.enumerated() where index < tuple.count && !isDone {
            apply(tuple[index], to: element, at: "\(place)[\(index)]", depth: depth + 1)
        }
        // An array of schemas is what `prefixItems` was called before 2020-12.
        if let items = schema["items"], items.kind != .array {
            for (index, element) in elements.enumerated().dropFirst(tuple.count) where !isDone {
                apply(items, to: element, at: "\(place)[\(index)]", depth: depth + 1)
            }
        }
        count(elements.count, schema, "minItems", "maxItems", "items", place)
    }

    // MARK: Texts and numbers

    private mutating func checkText(_ schema: JSON, _ value: JSON, _ place: String) {
        guard schema["minLength"] != nil || schema["maxLength"] != nil, let text = value.string else {
            return
        }
        count(text.unicodeScalars.count, schema, "minLength", "maxLength", "characters", place)
    }

    private mutating func checkNumber(_ schema: JSON, _ value: JSON, _ place: String) {
        guard let number = value.double else { return }
        let bound = { (key: String) -> Double? in
            guard let bound = schema[key], bound.kind == .number else { return nil }
            return bound.double
        }
        let wrong: String? =
            if let least = bound("minimum"), number < least {
                "at least \(JSONType.show(schema["minimum"] ?? .null))"
            } else if let most = bound("maximum"), number > most {
                "at most \(JSONType.show(schema["maximum"] ?? .null))"
            } else if let low = bound("exclusiveMinimum"), number <= low {
                "more than \(JSONType.show(schema["exclusiveMinimum"] ?? .null))"
            } else if let high = bound("exclusiveMaximum"), number >= high {
                "less than \(JSONType.show(schema["exclusiveMaximum"] ?? .null))"
            } else {
                nil
            }
        if let wrong { report(place, "must be \(wrong), is \(JSONType.show(value))") }
    }

    private mutating func count(
        _ count: Int, _ schema: JSON, _ least: String, _ most: String, _ unit: String, _ place: String
    ) {
        if let bound = schema[least]?.double, Double(count) < bound {
            report(place, "must have at least \(JSONType.show(schema[least] ?? .null)) \(unit), has \(count)")
        }
        if let bound = schema[most]?.double, Double(count) > bound {
            report(place, "must have at most \(JSONType.show(schema[most] ?? .null)) \(unit), has \(count)")
        }
    }
}

/// JSON values as JSON Schema and people see them.
enum JSONType {
    /// - Returns: `true` for a type that no draft knows: it is not for this check to refuse.
    static func fits(_ value: JSON, _ type: String) -> Bool {
        switch type {
        case "object": value.kind == .object
        case "array": value.kind == .array
        case "string": value.kind == .string
        case "boolean": value.kind == .bool
        case "null": value.kind == .null
        case "number": value.kind == .number
        // From draft 6 on `1.0` is an integer.
        case "integer": value.kind == .number && value.double.map { $0 == $0.rounded() } ?? true
        default: true
        }
    }

    static func words(for value: JSON) -> String {
        switch value.kind {
        case .object: "an object"
        case .array: "an array"
        case .string, .number, .bool, .null: show(value)
        }
    }

    /// As it stands, cut to what fits into a sentence.
    static func show(_ value: JSON) -> String {
        let text = value.text
        return text.count <= 60 ? text : "\(text.prefix(57))…"
    }
}

extension JSON {
    /// JSON Schema's equality (2020-12 core §4.2.2): `1` is `1.0`, and the order of members does not count.
    func isSameValue(as other: JSON) -> Bool {
        if bytes == other.bytes { return true }
        guard kind == other.kind else { return false }
        switch kind {
        case .string: return string == other.string
        case .number: return double != nil && double == other.double
        case .array:
            let (a, b) = (elements, other.elements)
            return a.count == b.count && zip(a, b).allSatisfy { $0.isSameValue(as: $1) }
        case .object:
            let (a, b) = (members, other.members)
            return a.count == b.count
                && a.allSatisfy { member in
                    other[member.key].map { $0.isSameValue(as: member.value) } ?? false
                }
        case .bool, .null: return false
        }
    }
}

extension String {
    /// A fragment of a URI as the JSON pointer that it spells (RFC 6901 §6).
    fileprivate var unescapedFragment: String {
        guard contains("%") else { return self }
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
