import JSONSlice

/// A JSON Pointer (RFC 6901) into what a step of a composite can see: `/input/…`, `/steps/ID/…`, `/item/…`, `/index`.
package struct StepPointer: Hashable, Sendable, CustomStringConvertible {
    package enum Root: Hashable, Sendable {
        /// The arguments of the call.
        case input
        /// The result of an earlier step.
        case step(String)
        /// Under `forEach`: the item, and its place from 0.
        case item
        case index
    }

    /// As it was written.
    package let text: String
    package let root: Root
    /// The pointer inside what ``root`` is.
    private let rest: String

    package static let form = "a JSON Pointer that begins with /input, /steps/ID, /item or /index"

    /// - Returns: `nil` unless the text is ``form``.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1, parts[0].isEmpty, Self.isEscapedRightly(text) else { return nil }
        var used = 2
        switch parts[1] {
        case "input": root = .input
        case "item": root = .item
        case "index" where parts.count == 2: root = .index
        case "steps":
            guard parts.count > 2, EntryNaming.isLegal(String(parts[2])) else { return nil }
            root = .step(String(parts[2]))
            used = 3
        default: return nil
        }
        self.text = text
        rest = parts.dropFirst(used).map { "/\($0)" }.joined()
    }

    package var description: String { text }

    /// What it leads to; `nil` where that is nowhere.
    ///
    /// - Complexity: O(bytes of what ``root`` is)
    func value(in scope: StepScope) -> JSON? {
        switch root {
        case .input: scope.input.pointer(rest)
        case .step(let id): scope.results[id]?.pointer(rest)
        case .item: scope.item?.value.pointer(rest)
        case .index: scope.item.map { .number($0.index) }
        }
    }

    /// The name of the argument that it goes through; `nil` when it means all arguments, or none.
    var inputName: String? {
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        guard root == .input, parts.count > 1 else { return nil }
        return String(parts[1]).replacing("~1", with: "/").replacing("~0", with: "~")
    }

    /// `~` stands only before 0 and 1.
    private static func isEscapedRightly(_ text: String) -> Bool {
        text.split(separator: "~", omittingEmptySubsequences: false).dropFirst().allSatisfy {
            $0.hasPrefix("0") || $0.hasPrefix("1")
        }
    }
}

/// What the pointers of one step lead into.
struct StepScope {
    var input: JSON
    /// By step id: what earlier steps gave.
    var results: [String: JSON]
    /// Under `forEach`.
    var item: (value: JSON, index: Int)?
}
