import Foundation
import Testing

@testable import Storage

struct DataFolderTests {
    private let scratch = Scratch()

    @Test func `a new folder and what is written there are private`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.write([1, 2, 3], to: .adminToken)
        #expect(try scratch.mode(of: scratch.data) == 0o700)
        #expect(try scratch.mode(of: folder.path(of: .adminToken)) == 0o600)
        #expect(try scratch.mode(of: folder.path(of: .lock)) == 0o600)
        #expect(try folder.read(.adminToken) == [1, 2, 3])
        #expect(try folder.read(.vaultKey) == nil)
    }

    @Test func `one folder, one node`() throws {
        var first: DataFolder? = try DataFolder(path: scratch.data)
        let refusal = DataFolderError.inUse(path: scratch.data, holder: getpid())
        #expect(throws: refusal) { try DataFolder(path: scratch.data) }
        #expect(refusal.description.contains("process \(getpid())"))
        withExtendedLifetime(first) {}
        first = nil
        #expect(throws: Never.self) { try DataFolder(path: scratch.data) }
    }

    @Test(arguments: [0o755, 0o750, 0o701, 0o770])
    func `a folder that others may enter is refused`(mode: Int) throws {
        try FileManager.default.createDirectory(atPath: scratch.data, withIntermediateDirectories: true)
        try scratch.setMode(mode, of: scratch.data)
        let refusal = DataFolderError.tooOpen(path: scratch.data, mode: UInt32(mode), wanted: 0o700)
        #expect(throws: refusal) { try DataFolder(path: scratch.data) }
        #expect(refusal.description.contains("chmod 700 '\(scratch.data)'"))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a folder away"))
    func `a folder of another user is refused`() throws {
        try FileManager.default.createDirectory(
            atPath: scratch.data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try #require(chown(scratch.data, 12345, 12345) == 0)
        #expect(throws: DataFolderError.otherOwner(path: scratch.data, owner: 12345, me: 0)) {
            try DataFolder(path: scratch.data)
        }
    }

    @Test func `a file in the way is named`() throws {
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/file"))
        #expect(throws: DataFolderError.notAFolder(path: scratch.path + "/file")) {
            try DataFolder(path: scratch.path + "/file")
        }
        #expect(throws: DataFolderError.notAFolder(path: scratch.path + "/file/below")) {
            try DataFolder(path: scratch.path + "/file/below")
        }
    }

    @Test func `a key that others could have read is refused`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.write([1], to: .vaultKey)
        try scratch.setMode(0o640, of: folder.path(of: .vaultKey))
        #expect(throws: DataFolderError.tooOpen(path: folder.path(of: .vaultKey), mode: 0o640, wanted: 0o600))
        {
            try folder.read(.vaultKey)
        }
    }

    @Test func `a link in a file's place is not followed`() throws {
        let folder = try DataFolder(path: scratch.data)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path(of: .vaultKey), withDestinationPath: "/dev/zero")
        #expect(throws: DataFolderError.self) { try folder.read(.vaultKey) }
    }

    @Test func `writing replaces the whole file, also after a crash in the middle of the last time`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.write([UInt8](repeating: 1, count: 10_000), to: .membership)
        try Data([9, 9]).write(to: URL(fileURLWithPath: "\(scratch.data)/\(DataFile.membership.draftName)"))
        try folder.write([2], to: .membership)
        #expect(try folder.read(.membership) == [2])
        let files = try FileManager.default.contentsOfDirectory(atPath: scratch.data)
        #expect(files.sorted() == ["lock", "membership"])
    }

    @Test func `creating never replaces`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.create(.nodeKey, with: [1])
        #expect(throws: DataFolderError.exists(path: folder.path(of: .nodeKey))) {
            try folder.create(.nodeKey, with: [2])
        }
        #expect(try folder.read(.nodeKey) == [1])
        try folder.remove(.nodeKey)
        try folder.remove(.nodeKey)
        #expect(try folder.read(.nodeKey) == nil)
    }

    @Test func `a file of any size but ours is refused`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.write([UInt8](repeating: 0, count: 64 * 1024 + 1), to: .membership)
        #expect(throws: DataFolderError.tooLarge(path: folder.path(of: .membership), bytesMax: 64 * 1024)) {
            try folder.read(.membership)
        }
    }
}
