/// What stops a test: said in full, so that the log of a run is enough to see why.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Asks again until it is so; fails with what was awaited when the deadline passes.
///
/// - Returns: how long it took.
@discardableResult
package func eventually(
    _ what: String, within limit: Duration = .seconds(15), every pause: Duration = .milliseconds(25),
    _ isSo: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    while !(try await isSo()) {
        guard ContinuousClock.now - start < limit else {
            throw TestFailure("not so within \(limit): \(what)")
        }
        try await Task.sleep(for: pause)  // a condition with a deadline, not luck
    }
    return ContinuousClock.now - start
}
