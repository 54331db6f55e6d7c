import Logging
import MCPTransport
import Synchronization

/// A join with a token that somebody lays into a file (`mesh.join.tokenFile`), now or later.
///
/// The node serves what it fronts meanwhile, as a mesh of one: a host that comes up before its mesh, or without it, is of use to its
/// own callers. What keeps it out is shown in `status`.
final class UnattendedJoin: Sendable {
    /// Between two attempts: a file is looked at for nothing, and a search for the mesh takes longer than this by itself.
    static let retryEvery = Duration.seconds(2)

    let tokenFile: String
    private let log: Logger
    private let obstacle = Mutex<String?>(nil)

    init(tokenFile: String, log: Logger) {
        self.tokenFile = tokenFile
        self.log = log
    }

    /// Why this node is not in yet; `nil` when there is nothing to wait for.
    var line: String? {
        obstacle.withLock { $0 }.map {
            "not in a mesh yet: \($0) (it is tried again with the token in \(tokenFile))"
        }
    }

    /// Tries until it succeeds, or until there is no place for it any more.
    ///
    /// - Parameters:
    ///   - isAlone: whether this node is still in nobody's mesh and has admitted nobody.
    ///   - join: takes the text of a token.
    func run(
        isAlone: () async throws -> Bool, join: (_ token: String) async throws -> Void
    ) async throws {
        defer { obstacle.withLock { $0 = nil } }
        while try await isAlone() {
            do {
                try await join(try TextFile.read(tokenFile))
                return
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                let reason = "\(error)"
                // The same every other second would only hide the first.
                let isNew = obstacle.withLock { obstacle in
                    defer { obstacle = reason }
                    return obstacle != reason
                }
                if isNew {
                    log.notice(
                        "Not in yet; trying again.",
                        metadata: ["mesh.token-file": "\(tokenFile)", "reason": "\(reason)"])
                }
            }
            try await Task.sleep(for: Self.retryEvery)
        }
    }
}
