import JSONSlice

/// What reaches an argument from elsewhere in a schema: conditions on the arguments as a whole, and references.
extension Narrowing {
    /// The first keyword at the top, besides `properties` and `required`, that may make a demand on the argument.
    ///
    /// - Complexity: O(size of the conditions)
    static func condition(on name: String, in schema: JSON) -> String? {
        schema.members.first { keyword, value in
            // Names are no arguments: one that is allowed here does no harm, unless it is spelled out or looked up.
            if keyword == "propertyNames" {
                return contains(value) { key, value in value.string == name || isReference(key) }
            }
            return concerns(name, keyword, value)
        }?.key
    }

    private static func concerns(_ name: String, _ keyword: String, _ value: JSON) -> Bool {
        switch keyword {
        case "allOf", "anyOf", "oneOf": value.elements.contains { governs(name, $0) }
        case "not", "if", "then", "else": governs(name, value)
        case "dependentRequired", "dependentSchemas", "dependencies":
            value.members.contains { key, value in
                key == name || value.elements.contains { $0.string == name } || governs(name, value)
            }
        default: false
        }
    }

    /// Whether a schema that applies to the arguments as a whole depends on this one.
    ///
    /// What it says of the inside of other arguments is none of that, whatever words it uses there. A reference could lead to
    /// where the argument is named after all; what closes, counts or compares the arguments sees each of them.
    private static func governs(_ name: String, _ schema: JSON) -> Bool {
        schema.members.contains { key, value in
            switch key {
            case "properties": value[name] != nil
            case "required": value.elements.contains { $0.string == name }
            case "additionalProperties", "unevaluatedProperties": value.bool != true
            case "patternProperties", "propertyNames", "minProperties", "maxProperties", "const", "enum": true
            default: isReference(key) || concerns(name, key, value)
            }
        }
    }

    // MARK: References

    /// Why the references in a schema forbid to change one of its arguments; `nil` if they do not.
    ///
    /// - Parameter schema: as a whole, or what will be left of it.
    /// - Parameter root: as a whole: its `$id` and anchors are names for it.
    static func obstacle(to name: String, referencesIn schema: JSON, of root: JSON) -> NarrowingError? {
        var found: NarrowingError?
        _ = contains(schema) { key, value in
            guard isReference(key), let target = value.string else { return false }
            if isWhole(target, of: root) {
                found = .refersToItself
            } else if leads(target, to: name, of: root) {
                found = .referredTo(name)
            }
            return found != nil
        }
        return found
    }

    private static func isReference(_ key: String) -> Bool {
        key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef"
    }

    /// Whether a reference leads to the schema as a whole, in which the argument then stands a second time, where
    /// nobody sets it.
    private static func isWhole(_ target: String, of root: JSON) -> Bool {
        guard let fragment = ownFragment(of: target, in: root) else { return false }
        if fragment.isEmpty { return true }
        return fragment == root["$anchor"]?.string || fragment == root["$dynamicAnchor"]?.string
    }

    private static func leads(_ target: String, to name: String, of root: JSON) -> Bool {
        let place = "/properties/\(escaped(name))"
        guard let fragment = ownFragment(of: target, in: root) else { return false }
        return fragment == place || fragment.hasPrefix(place + "/")
    }

    /// The fragment of a reference into this schema, its percent-encoding undone; `nil` for one that leads elsewhere.
    private static func ownFragment(of target: String, in root: JSON) -> String? {
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let base = parts.first.map(String.init) ?? ""
        if !base.isEmpty {
            let own = root["$id"]?.string?.split(separator: "#").first.map(String.init) ?? ""
            guard own == base || own.hasSuffix("/" + base) else { return nil }
        }
        return parts.count == 2 ? decoded(parts[1]) : ""
    }

    private static func decoded(_ fragment: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = fragment.utf8
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let code = UInt8(String(Substring(digits)), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A key as a part of a JSON pointer (RFC 6901 §3).
    private static func escaped(_ key: String) -> String {
        key.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
            .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
    }

    /// Whether any member anywhere inside, or any element, is as described; elements come with an empty key.
    static func contains(_ value: JSON, where isMatch: (String, JSON) -> Bool) -> Bool {
        switch value.kind {
        case .object:
            value.members.contains { isMatch($0.key, $0.value) || contains($0.value, where: isMatch) }
        case .array: value.elements.contains { isMatch("", $0) || contains($0, where: isMatch) }
        default: false
        }
    }
}
