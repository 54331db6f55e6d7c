/// Waits until it is so; the time limit of the suite is the deadline.
func until(_ isSo: () -> Bool) async throws {
    while !isSo() {
        try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
    }
}
