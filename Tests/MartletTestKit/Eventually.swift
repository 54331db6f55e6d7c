/// What stops a test: said in full, so that the log of a run is enough to see why.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// What a program refused: the end of a test that asked once, and no more than "not yet" to one that asks again.
package struct TestRefusal: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Asks again until it is so; fails with what was awaited when the deadline passes, and with the last refusal if
/// asking was still refused then. Every other error ends it at once.
///
/// - Returns: how long it took.
@discardableResult
package func eventually(
    _ what: String, within limit: Duration = .seconds(15), every pause: Duration = .milliseconds(25),
    _ isSo: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    while true {
        var refusal = ""
        do {
            if try await isSo() { return ContinuousClock.now - start }
        } catch let refused as TestRefusal {
            refusal = ": \(refused)"
        }
        guard ContinuousClock.now - start < limit else {
            throw TestFailure("not so within \(limit): \(what)\(refusal)")
        }
        try await Task.sleep(for: pause)  // a condition with a deadline, not luck
    }
}
