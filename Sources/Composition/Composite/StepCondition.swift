package import JSONSlice

/// One condition of `when`: what a pointer leads to, and what it must be.
///
/// Where it leads nowhere, or to `null`, nothing holds but `exists: false`.
package struct StepCondition: Hashable, Sendable {
    package enum Test: Hashable, Sendable {
        case equal(JSON)
        case unequal(JSON)
        case oneOf([JSON])
        case exists(Bool)
        /// Numbers only.
        case above(JSON)
        case below(JSON)
    }

    package let value: StepPointer
    package let test: Test

    package init(_ value: StepPointer, _ test: Test) {
        self.value = value
        self.test = test
    }

    func holds(in scope: StepScope) -> Bool {
        guard let found = value.value(in: scope), !found.isNull else { return test == .exists(false) }
        return switch test {
        case .equal(let wanted): found.isSame(as: wanted)
        case .unequal(let wanted): !found.isSame(as: wanted)
        case .oneOf(let wanted): wanted.contains { found.isSame(as: $0) }
        case .exists(let wanted): wanted
        case .above(let bound): bound.isBelow(found)
        case .below(let bound): found.isBelow(bound)
        }
    }
}

extension StepCondition {
    static let tests = ["is", "isNot", "in", "exists", "above", "below"]

    /// - Returns: `nil` when something is wrong; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        let pointer = section.parsed("value", expecting: StepPointer.form) { StepPointer($0) }
        if !section.has("value") { section.report("asks of nothing; add value:, \(StepPointer.form)") }
        let given = Self.tests.filter(section.has)
        var tests: [Test?] = []
        tests.append(Self.scalar("is", of: &section).map { .equal($0) })
        tests.append(Self.scalar("isNot", of: &section).map { .unequal($0) })
        tests.append(Self.scalars("in", of: &section).map { .oneOf($0) })
        let exists = section.flag("exists", default: true)
        tests.append(section.has("exists") ? .exists(exists) : nil)
        tests.append(Self.number("above", of: &section).map { .above($0) })
        tests.append(Self.number("below", of: &section).map { .below($0) })
        guard given.count == 1 else {
            section.report(
                given.isEmpty
                    ? "says nothing of its value; give one of \(Self.tests.joined(separator: ", "))"
                    : "gives \(given.joined(separator: " and ")); a list of conditions holds if all do")
            return nil
        }
        guard let pointer, let test = tests.compactMap({ $0 }).first else { return nil }
        self.init(pointer, test)
    }

    var json: JSON {
        let (key, wanted): (String, JSON) =
            switch test {
            case .equal(let value): ("is", value)
            case .unequal(let value): ("isNot", value)
            case .oneOf(let values): ("in", .array(values))
            case .exists(let flag): ("exists", .bool(flag))
            case .above(let value): ("above", value)
            case .below(let value): ("below", value)
            }
        return .object([("value", .string(value.text)), (key, wanted)])
    }

    private static func scalar(_ key: String, of section: inout ConfigSection) -> JSON? {
        guard let value = section.value(key) else { return nil }
        if value.kind == .object || value.kind == .array {
            section.report(
                key, "expected a text, a number, true or false, found \(ConfigSection.show(value))")
            return nil
        }
        return value
    }

    private static func scalars(_ key: String, of section: inout ConfigSection) -> [JSON]? {
        guard let value = section.value(key) else { return nil }
        let elements = value.elements
        guard (1...CompositeLimits.choicesMax).contains(elements.count),
            elements.allSatisfy({ $0.kind != .object && $0.kind != .array })
        else {
            section.report(
                key, "expected a list of 1 to \(CompositeLimits.choicesMax) texts, numbers, true or false")
            return nil
        }
        return elements
    }

    private static func number(_ key: String, of section: inout ConfigSection) -> JSON? {
        guard let value = section.value(key) else { return nil }
        if value.kind == .number { return value }
        section.report(key, "expected a number, found \(ConfigSection.show(value))")
        return nil
    }
}
