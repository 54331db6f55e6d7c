import Catalog
import Foundation
import JSONSlice
import Logging
import MCPModel
import MartletTestKit
import Storage
import Synchronization

/// A folder of its own for one test, removed at the end.
final class Scratch: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        .path

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A node's folder and database, as they are after a start.
    func start() throws -> (folder: DataFolder, database: NodeDatabase) {
        let folder = try DataFolder(path: path)
        return (folder, try NodeDatabase(in: folder))
    }

    /// Writes a file beside the data, and returns its path.
    func file(_ name: String, _ text: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let file = "\(path)/\(name)"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}

extension Logger {
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

extension NodeID {
    static let here = NodeID(ofKey: "here".utf8)
    static let there = NodeID(ofKey: "there".utf8)
}

extension CatalogSnapshot {
    /// This node is `here`; besides there is `there`.
    static func sample(thereIsReachable: Bool = true) -> CatalogSnapshot {
        var snapshot = CatalogSnapshot(me: .here)
        snapshot.add(node: .here, "here", .me)
        snapshot.add(
            node: .there, "there", thereIsReachable ? .reachable(path: [.there]) : .unreachable(since: .zero))
        return snapshot
    }

    private mutating func add(node: NodeID, _ label: Label, _ reachability: NodeRecord.Reachability) {
        nodes[node] = NodeRecord(
            id: node, label: label, segment: label, roles: .ordinary, software: "", addresses: [],
            reachability: reachability, heardAt: .zero)
    }

    /// The same with one more server, or with what it offers now.
    func with(
        _ server: Label, on owner: NodeID = .here, _ entries: [Entry], tags: [String] = [],
        state: ServerState = .up
    ) -> CatalogSnapshot {
        var changed = self
        let known = KnownServer.sample(server, on: owner, entries, tags: tags, state: state)
        changed.servers[known.record.key] = known
        return changed
    }

    func with(virtual name: Label, _ definition: JSON, by author: NodeID = .here) -> CatalogSnapshot {
        var changed = self
        changed.say(VirtualServerRecord(name: name, author: author, counter: 1, definition: definition))
        return changed
    }

    /// One more word of an operator, which counts from now on.
    mutating func say(_ record: VirtualServerRecord) {
        let standing = virtualWords[record.name]?.first
        virtualServers[record.name] = record
        virtualWords[record.name, default: []].removeAll { $0.author == record.author }
        virtualWords[record.name, default: []].insert(
            VirtualServerWord(
                name: record.name, author: record.author, counter: record.counter, replaces: standing?.hash,
                isConfigured: record.isConfigured, definition: record.definition), at: 0)
    }
}

extension CatalogSnapshot.KnownServer {
    static func sample(
        _ server: Label, on owner: NodeID = .here, _ entries: [Entry], tags: [String] = [],
        state: ServerState = .up
    ) -> Self {
        Self(
            record: ServerRecord(key: ServerKey(owner: owner, name: server), tags: tags, state: state),
            manifest: Manifest(
                entries: entries, instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject))
    }
}

extension [Entry] {
    static func tools(_ names: String..., description: String = "") throws -> [Entry] {
        try names.map { name in
            try Entry(
                kind: .tool,
                definition: [
                    "name": .string(name), "description": .string(description),
                    "inputSchema": ["type": "object"],
                ]
            ).orFail("an entry")
        }
    }

    static func resources(_ uris: String...) throws -> [Entry] {
        try uris.map { uri in
            try Entry(kind: .resource, definition: ["uri": .string(uri), "name": "r"]).orFail("an entry")
        }
    }
}

/// What came back of a call.
final class Heard: Sendable {
    private let events = Mutex<[CallEvent]>([])

    var sink: CallSink { { event in self.events.withLock { $0.append(event) } } }
    var count: Int { events.withLock { $0.count } }

    var failure: CallFailure? {
        if case .failure(let failure) = events.withLock({ $0.last }) { failure } else { nil }
    }

    var result: JSON? {
        if case .result(let result) = events.withLock({ $0.last }) { result } else { nil }
    }
}

/// Values that closures leave for a test.
final class Box<Value: Sendable>: Sendable {
    private let stored = Mutex<[Value]>([])

    var values: [Value] { stored.withLock { $0 } }
    func add(_ value: Value) { stored.withLock { $0.append(value) } }
    func empty() { stored.withLock { $0.removeAll() } }
}
