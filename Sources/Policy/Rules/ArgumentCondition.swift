package import Catalog
package import JSONSlice

/// What an argument of a call must be for a rule to be about the call.
///
/// A member that is missing, `null`, or of another kind than what it is held against fulfils nothing.
package struct ArgumentCondition: Hashable, Sendable {
    package enum Test: Hashable, Sendable {
        case equal(JSON)
        case unequal(JSON)
        case oneOf([JSON])
        /// Numbers only.
        case above(JSON)
        case below(JSON)
        /// Texts only.
        case matches(Glob)
    }

    /// A JSON Pointer (RFC 6901) into the arguments.
    package let pointer: String
    package let test: Test

    package static let form = "a JSON Pointer into the arguments, such as /amount"

    /// - Returns: `nil` unless the pointer leads to a member, written as RFC 6901 has it.
    package init?(_ pointer: String, _ test: Test) {
        guard Self.isPointer(pointer) else { return nil }
        self.pointer = pointer
        self.test = test
    }

    package static func isPointer(_ text: String) -> Bool {
        text.utf8.count > 1 && text.hasPrefix("/")
            && text.split(separator: "~", omittingEmptySubsequences: false).dropFirst().allSatisfy {
                $0.hasPrefix("0") || $0.hasPrefix("1")
            }
    }

    /// - Complexity: O(bytes of the arguments)
    package func holds(of arguments: JSON) -> Bool {
        guard let found = arguments.pointer(pointer), !found.isNull else { return false }
        return switch test {
        case .equal(let wanted): found.isSame(as: wanted)
        case .unequal(let wanted): found.kind == wanted.kind && !found.isSame(as: wanted)
        case .oneOf(let wanted): wanted.contains { found.isSame(as: $0) }
        case .above(let bound): bound.isBelow(found)
        case .below(let bound): found.isBelow(bound)
        case .matches(let glob): found.string.map(glob.matches) ?? false
        }
    }
}

extension ArgumentCondition: CustomStringConvertible {
    package var description: String {
        switch test {
        case .equal(let value): "\(pointer) is \(value.text)"
        case .unequal(let value): "\(pointer) is not \(value.text)"
        case .oneOf(let values): "\(pointer) is one of \(values.map(\.text).joined(separator: ", "))"
        case .above(let bound): "\(pointer) is above \(bound.text)"
        case .below(let bound): "\(pointer) is below \(bound.text)"
        case .matches(let glob): "\(pointer) fits \(glob)"
        }
    }
}
