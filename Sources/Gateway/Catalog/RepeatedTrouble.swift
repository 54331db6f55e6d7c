/// What goes wrong again and again is said once: when it begins, and when its reason changes.
struct RepeatedTrouble: Sendable {
    private var last: String?

    /// - Parameter failure: how the newest try failed; `nil`: it did not.
    /// - Returns: what is to be said.
    mutating func news(_ failure: String?) -> String? {
        defer { last = failure }
        return failure == last ? nil : failure
    }
}
