import Admin
import Gateway
import MCPTransport

/// A node in this process, with its admin surface: what `martlet up` runs in the foreground, and `martlet stdio` for as long as
/// its client stays.
enum NodeHere {
    /// What becomes of the node when the work beside it is done.
    enum Ending: Sendable {
        case nodeEnds
        /// The node runs on until a signal comes.
        case nodeRunsOn
    }

    private enum Ended {
        case node
        case work(Ending)
    }

    /// Runs a node and `work` beside it, until a signal comes, the node fails, or the work ends it.
    ///
    /// - Throws: what the node or the work threw; ``Refusal`` and its kin say what to do.
    static func run(
        _ settings: LaunchSettings, work: @escaping @Sendable (Node) async throws -> Ending
    ) async throws {
        DescriptorLimit.raise()
        // Before a passphrase or a key is read.
        if !settings.configuration.vault.allowsDumps, let problem = ProcessShield.raise() {
            Terminal.complain("This process could not be kept from leaving core files: \(problem)")
        }
        let node = try await Node.open(settings: settings, log: NodeLog.make())
        let admin = try await AdminServer.listen(node: node, log: NodeLog.make())
        let word = RunningNode(
            admin: admin.address, mcp: node.mcpAddress, mesh: node.meshAddress,
            tokenFile: node.adminTokenFile, certificate: node.adminCertificate, pid: ProcessInfo.id)
        word.announce(dataFolder: settings.dataFolder)
        defer { word.withdraw(dataFolder: settings.dataFolder) }

        try await withThrowingTaskGroup(of: Ended.self) { group in
            group.addTask {
                try await node.run()
                return .node
            }
            group.addTask {
                await admin.run()
                return .node
            }
            group.addTask {
                await Signals.wait()
                return .node
            }
            group.addTask {
                try await node.waitUntilReady()
                return .work(try await work(node))
            }
            running: while let ended = try await group.next() {
                switch ended {
                case .node, .work(.nodeEnds): break running
                case .work(.nodeRunsOn): continue
                }
            }
            group.cancelAll()
        }
        await admin.close()
    }
}
