package import Catalog
package import Mesh

/// What an administrator decides on what may be called.
extension MeshService {
    /// - Parameter wall: seconds since 1970, for people.
    package func say(_ decision: StatementDecision, reason: String, wall: UInt64) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.say(decision, reason: reason, wall: wall, at: now, using: &random)
        }
    }

    /// Takes back what this node said.
    package func takeBack(_ verb: StatementVerb, _ target: StatementTarget) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.takeBack(verb, target, at: now, using: &random)
        }
    }

    /// Ends what quarantines of a target this node may end.
    ///
    /// - Returns: those.
    package func release(
        _ target: StatementTarget, reason: String, wall: UInt64
    ) async throws -> [Hold] {
        try await started()
        var ended: [Hold] = []
        try order { core, now, random throws(PublishProblem) in
            let released = try core.release(target, reason: reason, wall: wall, at: now, using: &random)
            ended = released.ended
            return released.effects
        }
        return ended
    }

    /// Ends what limits of a target this node may end.
    ///
    /// - Returns: those.
    package func releaseLimits(
        _ target: StatementTarget, reason: String, wall: UInt64
    ) async throws -> [StatedLimit] {
        try await started()
        var ended: [StatedLimit] = []
        try order { core, now, random throws(PublishProblem) in
            let released = try core.releaseLimits(target, reason: reason, wall: wall, at: now, using: &random)
            ended = released.ended
            return released.effects
        }
        return ended
    }

    /// Whether a server is for some nodes only.
    package func isScoped(_ server: ServerKey) -> Bool { core.scopedServers[server] != nil }

    /// All that was said, whether it counts or not.
    package nonisolated var statements: StatementBook { board.statements }
}
