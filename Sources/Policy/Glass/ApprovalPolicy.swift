/// Who approves what a server offers (`servers.NAME.approve`).
package enum ApprovalPolicy: String, Hashable, Sendable, CaseIterable {
    /// Whatever it offers is approved as it comes.
    case auto
    /// What is seen for the first time is; what changes after that waits.
    case pinned
    /// All waits for a person.
    case manual

    package static let standard = ApprovalPolicy.pinned
}
