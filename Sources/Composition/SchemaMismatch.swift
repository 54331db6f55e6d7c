/// One thing in a value that its JSON Schema does not allow.
package struct SchemaMismatch: Hashable, Sendable, CustomStringConvertible {
    /// Where, as people write it: `items[2].name`; empty: the value itself.
    package let place: String
    /// What is wrong and what would be right.
    package let message: String

    package init(at place: String, _ message: String) {
        self.place = place
        self.message = message
    }

    package var description: String { place.isEmpty ? message : "\(place): \(message)" }
}
