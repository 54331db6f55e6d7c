import Admin
import ArgumentParser
import JSONSlice

/// Which running node a command talks to, and how it prints; every command that asks a node takes these.
struct NodeOptions: ParsableArguments {
    @Option(help: "Admin address of the node, host:port (default: MARTLET_NODE, or the node that runs here).")
    var node: String?

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    /// Runs `body` against the chosen node and lets go of its connections however it ends.
    func withNode<Result>(_ body: (AdminClient) async throws -> Result) async throws -> Result {
        let client = try AdminClient.locate(address: node)
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }

    /// Prints the answer as JSON if that was asked for, else whatever `plain` makes of it.
    func show(_ answer: JSON, _ plain: (JSON) -> Void) {
        if json { Terminal.data(answer.text) } else { plain(answer) }
    }
}

extension JSON {
    /// Elements of the array under `key`; none when it is absent.
    func list(_ key: String) -> [JSON] { self[key]?.elements ?? [] }
    /// Text under `key`; empty when it is absent.
    func words(_ key: String) -> String { self[key]?.string ?? "" }
    /// Whole number under `key`; 0 when it is absent.
    func count(_ key: String) -> Int { self[key]?.int ?? 0 }
}
