package import Catalog
package import JSONSlice

/// One map of settings, read strictly: what is asked for is known, what is left over is a mistake.
///
/// Nothing is thrown while reading: a setting that is wrong becomes a problem with its path, its default is
/// returned, and reading goes on, so that a person sees every mistake at once. Whoever reads the outermost
/// section uses the value only if there are no ``problems``.
package struct ConfigSection {
    package let path: ConfigPath
    package private(set) var problems: [ConfigProblem] = []
    /// Every key asked for so far, in that order, except those of later versions.
    package private(set) var knownKeys: [String] = []
    private var laterKeys: Set<String> = []
    private var members: [(key: String, value: JSON)]
    /// False when there is no map at all; then missing settings are not told one by one.
    private let isMap: Bool

    /// A value that is no map is a problem of the section; `null` is an empty map.
    package init(_ value: JSON, at path: ConfigPath = .root) {
        self.path = path
        members = value.members
        isMap = value.kind == .object || value.isNull
        if !isMap { report(at: path, "expected a map of settings, found \(Self.show(value))") }
    }

    /// Reads a whole document.
    package static func read<Value>(
        _ document: JSON, at path: ConfigPath = .root, _ body: (inout ConfigSection) -> Value
    ) -> (value: Value, problems: [ConfigProblem]) {
        var section = ConfigSection(document, at: path)
        let value = body(&section)
        section.reportUnknownKeys()
        return (value, section.problems)
    }

    // MARK: One setting

    /// The value as it stands; `nil` when absent or `null`.
    package mutating func value(_ key: String) -> JSON? {
        if !knownKeys.contains(key) { knownKeys.append(key) }
        guard let value = members.first(where: { $0.key == key })?.value, !value.isNull else { return nil }
        return value
    }

    package mutating func text(_ key: String) -> String? {
        parsed(key, expecting: "text") { $0 }
    }

    package mutating func flag(_ key: String, default fallback: Bool) -> Bool {
        guard let value = value(key) else { return fallback }
        if let flag = value.bool { return flag }
        report(key, "expected true or false, found \(Self.show(value))")
        return fallback
    }

    package mutating func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        guard let value = value(key) else { return fallback }
        if let number = value.int, range.contains(number) { return number }
        report(
            key,
            "expected a whole number from \(range.lowerBound) to \(range.upperBound), found \(Self.show(value))"
        )
        return fallback
    }

    package mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: Choice
    ) -> Choice where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return parsed(key, expecting: "one of \(words)", Choice.init(rawValue:)) ?? fallback
    }

    package mutating func label(_ key: String) -> Label? {
        parsed(key, expecting: Self.labelForm) { Label($0) }
    }

    /// - Parameter expectation: what `parse` takes, as in "expected …, found …".
    package mutating func parsed<Value>(
        _ key: String, expecting expectation: String, _ parse: (String) -> Value?
    ) -> Value? {
        guard let value = value(key) else { return nil }
        if let text = Self.text(of: value), let parsed = parse(text) { return parsed }
        report(key, "expected \(expectation), found \(Self.show(value))")
        return nil
    }

    // MARK: Several

    package mutating func texts(_ key: String, atMost limit: Int) -> [String] {
        list(key, of: "text", atMost: limit) { $0 }
    }

    /// A list of texts, each turned into a value; those that are not right are told and left out.
    package mutating func list<Value>(
        _ key: String, of expectation: String, atMost limit: Int, _ parse: (String) -> Value?
    ) -> [Value] {
        var result: [Value] = []
        for (path, element) in elements(key, atMost: limit) {
            if let text = Self.text(of: element), let value = parse(text) {
                result.append(value)
            } else {
                report(at: path, "expected \(expectation), found \(Self.show(element))")
            }
        }
        return result
    }

    /// A map of texts, in the order written. Values never appear in problems: they may be secret.
    package mutating func textMap(_ key: String, atMost limit: Int) -> [(key: String, value: String)] {
        entries(key, atMost: limit).compactMap { name, value in
            if let text = Self.text(of: value) { return (name, text) }
            report(at: path.key(key).key(name), "expected text; put \"\" for an empty one")
            return nil
        }
    }

    /// A map of anything, in the order written.
    package mutating func valueMap(_ key: String, atMost limit: Int) -> [(key: String, value: JSON)] {
        entries(key, atMost: limit)
    }

    // MARK: Sections in this section

    package mutating func section<Value>(
        _ key: String, _ read: (inout ConfigSection) -> Value
    ) -> Value? {
        value(key).map { nested($0, at: path.key(key), read) }
    }

    /// A map whose every value is a section.
    package mutating func sections<Value>(
        _ key: String, atMost limit: Int, _ read: (_ name: String, inout ConfigSection) -> Value
    ) -> [Value] {
        entries(key, atMost: limit).map { name, value in
            nested(value, at: path.key(key).key(name)) { read(name, &$0) }
        }
    }

    /// A list whose every element is a section.
    package mutating func items<Value>(
        _ key: String, atMost limit: Int, _ read: (inout ConfigSection) -> Value
    ) -> [Value] {
        elements(key, atMost: limit).map { nested($1, at: $0, read) }
    }

    // MARK: Problems

    /// A setting of the format that this version does not carry out: better refused than ignored.
    ///
    /// - Parameter harmless: values that ask for no more than what happens anyway.
    package mutating func later(_ key: String, except harmless: JSON...) {
        laterKeys.insert(key)
        guard let value = members.first(where: { $0.key == key })?.value, !value.isNull,
            !harmless.contains(value)
        else { return }
        report(key, "not supported yet by this version; take it out for now")
    }

    package func has(_ key: String) -> Bool {
        members.contains { $0.key == key && !$0.value.isNull }
    }

    /// The keys that are set, in the order written.
    package var keysSet: [String] { members.filter { !$0.value.isNull }.map(\.key) }

    package mutating func report(_ key: String, _ message: String) {
        report(at: path.key(key), message)
    }

    /// Of the section as a whole; silent when there is no section to speak of.
    package mutating func report(_ message: String) {
        if isMap { report(at: path, message) }
    }

    package mutating func report(at path: ConfigPath, _ message: String) {
        problems.append(ConfigProblem(path, message))
    }

    /// Gives up on what has not been asked for, where there is no telling what it should be.
    package mutating func leaveUnread() { members = [] }

    /// Calls out what nobody asked for. To be called once, when all has been read.
    package mutating func reportUnknownKeys() {
        for (key, _) in members where !knownKeys.contains(key) && !laterKeys.contains(key) {
            let advice =
                NearestName.to(key, among: knownKeys).map { "did you mean \(path.key($0))?" }
                ?? "known here: \(knownKeys.joined(separator: ", "))"
            report(key, "not a setting; \(advice)")
        }
    }

    // MARK: -

    package static let labelForm =
        "a name of a-z, 0-9 and single - between them, at most \(Label.lengthMax) characters"

    /// The text of a scalar; a number or truth value stands for what is written.
    private static func text(of value: JSON) -> String? {
        switch value.kind {
        case .string: value.string
        case .number, .bool: value.text
        case .object, .array, .null: nil
        }
    }

    /// How a wrong value is quoted; long ones are cut, as a slip is seen at the start.
    static func show(_ value: JSON) -> String {
        switch value.kind {
        case .object: return "a map"
        case .array: return "a list"
        case .null: return "nothing"
        case .number, .bool: return String(value.text.prefix(40))
        case .string:
            let text = value.string ?? ""
            return text.count > 60 ? "\"\(text.prefix(57))…\"" : "\"\(text)\""
        }
    }

    private mutating func nested<Value>(
        _ value: JSON, at path: ConfigPath, _ read: (inout ConfigSection) -> Value
    ) -> Value {
        let (result, found) = Self.read(value, at: path, read)
        problems += found
        return result
    }

    private mutating func elements(_ key: String, atMost limit: Int) -> [(ConfigPath, JSON)] {
        guard let value = value(key) else { return [] }
        guard value.kind == .array else {
            report(key, "expected a list, found \(Self.show(value))")
            return []
        }
        let elements = value.elements
        if elements.count > limit { report(key, "\(elements.count) are more than the \(limit) allowed") }
        return elements.prefix(limit).enumerated().map { (path.key(key).index($0.offset), $0.element) }
    }

    private mutating func entries(_ key: String, atMost limit: Int) -> [(key: String, value: JSON)] {
        guard let value = value(key) else { return [] }
        guard value.kind == .object else {
            report(key, "expected a map, found \(Self.show(value))")
            return []
        }
        let members = value.members
        if members.count > limit { report(key, "\(members.count) are more than the \(limit) allowed") }
        return Array(members.prefix(limit))
    }
}
