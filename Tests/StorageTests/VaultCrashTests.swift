import Catalog
import Foundation
import Testing
import Vault

@testable import Storage

/// Power goes at any point of a change of keys: what the disk holds then, a thousand times.
///
/// In its write-ahead log SQLite only appends, and every commit is flushed before the next step begins. So what a crash can leave is
/// the database as it was, a beginning of the log, maybe with a torn end, and the key file as it was at that point.
struct VaultCrashTests {
    private static let audience = SecretAudience(
        server: "github", origin: "https://api.example.com", resource: "/mcp", issuer: "")
    private static let secrets = 150
    private static let images = 1_000

    /// What the disk held, and in what order that came about.
    private struct Recording: Sendable {
        var database: Data
        var log: Data
        /// Where each commit of the log ends, and the counter of the vault after it.
        var commits: [(end: Int, counter: UInt64)]
        /// The key file, and the length of the log when it came to be.
        var keyFiles: [(since: Int, bytes: Data)]
        var token: SecretName
    }

    private struct Image: Sendable {
        var logBytes: Int
        var keyFile: Int
        var isTorn: Bool
    }

    private func name(_ index: Int) throws -> SecretName { try #require(SecretName("s\(index)")) }

    private func record() async throws -> Recording {
        let scratch = Scratch()
        let token = try #require(SecretName("token"))
        do {
            let (folder, database) = try scratch.start()
            let store = try await SecretStore.open(in: folder, database: database, node: .me)
            for index in 0..<Self.secrets {
                try await store.set(
                    try name(index), to: Secret(copying: "value \(index)".utf8), for: Self.audience, at: .noon
                )
            }
            try await store.set(token, to: Secret(copying: "old".utf8), for: Self.audience, at: .noon)
            try await store.rotate(token, to: Secret(copying: "new".utf8), at: .noon)
            try database.close()
        }
        let (folder, database) = try scratch.start()
        let path = scratch.data
        func file(_ name: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))
        }
        let store = try await SecretStore.open(in: folder, database: database, node: .me)
        // From here on the log holds what is watched, and nothing else.
        try #require(try await database.emptyLog())
        let before = try file("martlet.db")
        var counters: [UInt64] = [store.counter]
        var keyFiles = [(since: 0, bytes: try file("vault.key"))]
        func commit(_ step: () async throws -> Void) async throws {
            try await step()
            counters.append(store.counter)
        }
        func rewrap() async throws {
            while store.keyStanding.waiting > 0 { try await commit { _ = try await store.rewrapSome() } }
        }
        for _ in 0..<2 {
            try await commit { try await store.beginGeneration() }
            try await rewrap()
            try await commit { try await store.replaceRoot() }
            try await rewrap()
            // Two commits, and between them the key file takes its place.
            let first = store.counter + 1
            try await store.setKeyFile()
            counters += [first, store.counter]
            #expect(store.counter == first + 1)
            keyFiles.append((since: counters.count - 2, bytes: try file("vault.key")))
        }
        let (log, after) = (try file("martlet.db-wal"), try file("martlet.db"))
        try #require(before == after, "a checkpoint came in between: the log is not the whole story")
        let ends = Self.commitEnds(log)
        try #require(ends.count == counters.count - 1)
        try database.close()
        return Recording(
            database: before, log: log,
            commits: [(0, counters[0])] + zip(ends, counters.dropFirst()).map { (end: $0, counter: $1) },
            keyFiles: keyFiles.map { (since: $0.since == 0 ? 0 : ends[$0.since - 1], bytes: $0.bytes) },
            token: token)
    }

    /// Of a log in SQLite's format ("The Write-Ahead Log", §4): frames of 24 bytes and a page; a commit's last one says so.
    private static func commitEnds(_ log: Data) -> [Int] {
        let bytes = [UInt8](log)
        func word(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        let frame = 24 + word(8)
        var ends: [Int] = []
        var place = 32
        while place + frame <= bytes.count {
            if word(place + 4) != 0 { ends.append(place + frame) }
            place += frame
        }
        return ends
    }

    private func images(of recording: Recording) -> [Image] {
        var dice = SystemlessDice(seed: 11)
        var lengths = recording.commits.flatMap { [$0.end - 1, $0.end, $0.end + 1] }
        while lengths.count < Self.images {
            lengths.append(Int(dice.next() % UInt64(recording.log.count + 1)))
        }
        var images: [Image] = []
        for length in lengths where (0...recording.log.count).contains(length) {
            let newest = recording.keyFiles.lastIndex { $0.since <= length } ?? 0
            // At the very point where it came to be, the crash may have been before.
            let choices =
                recording.keyFiles[newest].since == length && newest > 0 ? [newest - 1, newest] : [newest]
            for keyFile in choices {
                images.append(Image(logBytes: length, keyFile: keyFile, isTorn: dice.next() % 4 == 0))
            }
        }
        return images
    }

    @Test(.timeLimit(.minutes(5)))
    func `a change of keys that is cut short anywhere leaves a vault that opens, and is never mixed`()
        async throws
    {
        let recording = try await record()
        let images = images(of: recording)
        try #require(images.count >= Self.images)
        let seen = try await withThrowingTaskGroup(of: Set<UInt64>.self) { group in
            for part in 0..<2 {
                group.addTask {
                    var seen: Set<UInt64> = []
                    for (index, image) in images.enumerated() where index % 2 == part {
                        seen.insert(try await check(image, of: recording, finishes: index % 20 == 0))
                    }
                    return seen
                }
            }
            return try await group.reduce(into: Set<UInt64>()) { $0.formUnion($1) }
        }
        #expect(seen.isSuperset(of: recording.commits.map(\.counter)), "every state was met")
        print(
            "\(images.count) crash images, \(seen.count) states of the vault, \(recording.log.count) bytes of log"
        )
    }

    /// - Returns: the counter that the vault had on the disk.
    private func check(_ image: Image, of recording: Recording, finishes: Bool) async throws -> UInt64 {
        let scratch = Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.data, withIntermediateDirectories: true,
            attributes: [.posixPermissions: NSNumber(value: 0o700)])
        func put(_ bytes: Data, _ name: String) throws {
            let path = scratch.data + "/" + name
            try bytes.write(to: URL(fileURLWithPath: path))
            try scratch.setMode(0o600, of: path)
        }
        var log = recording.log.prefix(image.logBytes)
        if image.isTorn { log.append(Data(repeating: 0xA5, count: 700)) }
        try put(recording.database, "martlet.db")
        if !log.isEmpty { try put(Data(log), "martlet.db-wal") }
        try put(recording.keyFiles[image.keyFile].bytes, "vault.key")
        if image.isTorn { try put(Data(repeating: 1, count: 9), ".vault.key.new") }

        let expected = try #require(recording.commits.last { $0.end <= image.logBytes }).counter
        let (folder, database) = try scratch.start()
        let counter = VaultCounter.read(try await MetaShelf(database).get(.vaultHeader) ?? [])
        #expect(counter == expected, "after \(image.logBytes) bytes")
        let store = try await SecretStore.open(in: folder, database: database, node: .me)
        try check(store, recording.token)
        #expect(store.keyStanding.slots == [.keyFile], "what was half done is tidied up")
        if finishes {
            while try await store.rewrapSome() > 0 {}
            try await store.setKeyFile()
            #expect(store.keyStanding.formerRoots == 0)
            try check(store, recording.token)
        }
        try database.close()
        return counter
    }

    private func check(_ store: SecretStore, _ token: SecretName) throws {
        for index in 0..<Self.secrets {
            let text = try store.text(try name(index), for: Self.audience)
            if text != "value \(index)" { Issue.record("secret \(index) is \(text)") }
        }
        #expect(try store.text(token, for: Self.audience) == "new")
        #expect(try store.text(token, for: Self.audience, .former) == "old")
    }
}

/// Reads what ``VaultHeader`` writes, without its help.
private enum VaultCounter {
    static func read(_ header: [UInt8]) -> UInt64 {
        guard header.count > 45 else { return 0 }
        return header[37..<45].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// SplitMix64: the same images each time.
private struct SystemlessDice {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
