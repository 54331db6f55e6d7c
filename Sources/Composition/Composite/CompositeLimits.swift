/// Bounds of composites; docs/reference/limits.md tells people of each.
package enum CompositeLimits {
    /// Steps of one composite: a person reads it, and each may be a call through the mesh.
    package static let stepsMax = 32
    /// Items of one `forEach`: calls that one call may become, together with ``stepsMax``.
    package static let itemsMax = 64
    /// Calls that one `forEach` has open at once: half of what a server takes by default.
    package static let concurrencyMax = 8
    /// Conditions of one `when`, and values of one `in`.
    package static let conditionsMax = 16
    package static let choicesMax = 64
    /// Pointers of one composite: each is looked up by walking what it leads into.
    package static let pointersMax = 256
    /// Bytes of a call's arguments; and of what a run holds at once, of results and of the arguments and questions of open calls
    /// together: little beside one message, so that runs that wait for people cost little.
    package static let bytesMax = 4 * 1024 * 1024
    /// What `timeout` may be; `limits.call` holds besides.
    package static let timeouts = Duration.milliseconds(100)...Duration.seconds(86_400)
    /// Questions of one round: what a legacy client is asked at once.
    package static let questionsMax = 32
}
