import Foundation
import MartletTestKit
import JSONSlice
import Testing

@testable import Admin

struct RunningNodeTests {
    /// Folders of their own for one test, removed at the end.
    private final class Folders: Sendable {
        let base = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-\(UUID().uuidString)"
        ).path
        var runtime: String { base + "/runtime" }
        var data: String { base + "/data" }

        init() throws {
            for path in [runtime, data] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: base) }
    }

    private let folders: Folders

    init() throws { folders = try Folders() }

    private func node(
        port: Int = 7331, pid: Int = Int(ProcessInfo.processInfo.processIdentifier),
        mesh: String? = "0.0.0.0:7332"
    ) -> RunningNode {
        RunningNode(
            admin: "127.0.0.1:\(port)", mcp: "127.0.0.1:7330", mesh: mesh,
            tokenFile: "\(folders.data)/admin.token",
            pid: pid)
    }

    @Test(arguments: ["0.0.0.0:7332" as String?, nil])
    func `what a node leaves is read back`(mesh: String?) {
        let node = node(mesh: mesh)
        #expect(RunningNode(json: node.json) == node)
        node.announce(dataFolder: folders.data, in: folders.runtime)
        #expect(RunningNode.all(in: folders.runtime) == [node])
        #expect(FileManager.default.contents(atPath: "\(folders.data)/node.json") == Data(node.json.bytes))
    }

    @Test func `its files are for this user alone`() throws {
        node().announce(dataFolder: folders.data, in: folders.runtime)
        for path in ["\(folders.data)/node.json", "\(folders.runtime)/7331.json"] {
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
        }
    }

    @Test func `nodes stand by their address; one that goes takes its word with it`() throws {
        let (one, two) = (node(port: 7331), node(port: 8331))
        two.announce(dataFolder: folders.data, in: folders.runtime)
        one.announce(dataFolder: folders.data, in: folders.runtime)
        #expect(RunningNode.all(in: folders.runtime) == [one, two])
        one.withdraw(dataFolder: folders.data, in: folders.runtime)
        #expect(RunningNode.all(in: folders.runtime) == [two])
        two.withdraw(dataFolder: folders.data, in: folders.runtime)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folders.runtime).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folders.data).isEmpty)
    }

    @Test func `a process that has ended runs no node`() async throws {
        let child = try Program(["true"])
        _ = try await child.outcome(within: .seconds(60))
        let dead = node(pid: Int(child.pid))
        dead.announce(dataFolder: folders.data, in: folders.runtime)
        #expect(!dead.isAlive)
        #expect(RunningNode.all(in: folders.runtime).isEmpty)
    }

    @Test(arguments: [0, -1, Int.max, Int.min])
    func `what is no process id is no process`(pid: Int) { #expect(!node(pid: pid).isAlive) }

    @Test(arguments: [
        "", "{", "[]", "{}", #"{"admin":"a","mcp":"b","tokenFile":"c"}"#,
        #"{"admin":1,"mcp":"b","tokenFile":"c","pid":1}"#,
    ])
    func `files that say nothing are passed over`(text: String) throws {
        try text.write(toFile: "\(folders.runtime)/1.json", atomically: true, encoding: .utf8)
        let node = node()
        node.announce(dataFolder: folders.data, in: folders.runtime)
        #expect(RunningNode.all(in: folders.runtime) == [node])
    }

    @Test func `where there is no folder there is no node`() {
        #expect(RunningNode.all(in: nil).isEmpty)
        #expect(RunningNode.all(in: folders.base + "/nowhere").isEmpty)
    }
}
