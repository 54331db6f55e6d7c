import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Storage
import Testing

@testable import Gateway

struct CallerDoorTests {
    private let scratch = Scratch()
    private let adminToken = "ma_the-admin-token"

    private func door(_ database: NodeDatabase) async throws -> CallerDoor {
        try await CallerDoor(shelf: CallerKeyShelf(database), adminToken: adminToken)
    }

    private func make(_ name: String, _ door: CallerDoor, lifeSeconds: Int? = nil) async throws -> String {
        try #require(try await door.create(name: name, lifeSeconds: lifeSeconds)["token"]?.string)
    }

    @Test func `anybody on loopback may call until the first key exists`() async throws {
        let door = try await door(try scratch.start().database)
        #expect(door.authorize(header: nil, isLoopback: true) == .allowed(.anonymous))
        #expect(!door.authorize(header: nil, isLoopback: false).isAllowed)
        _ = try await make("agent", door)
        #expect(door.needsKey)
        #expect(!door.authorize(header: nil, isLoopback: true).isAllowed)
    }

    @Test func `revoking the last key does not open the door again, nor does a restart`() async throws {
        let database = try scratch.start().database
        let door = try await door(database)
        _ = try await make("agent", door)
        _ = try await door.revoke("agent")
        #expect(door.needsKey && !door.authorize(header: nil, isLoopback: true).isAllowed)
        let again = try await self.door(database)
        #expect(again.needsKey && !again.authorize(header: nil, isLoopback: true).isAllowed)
    }

    @Test(arguments: ["Bearer ", "bearer ", "BEARER "])
    func `a key says who is calling`(scheme: String) async throws {
        let door = try await door(try scratch.start().database)
        let key = try await make("agent", door)
        let caller = Caller(issuer: "key", subject: "agent")
        #expect(door.authorize(header: scheme + key, isLoopback: false) == .allowed(Principal(caller)))
    }

    @Test func `the admin token opens the door, too`() async throws {
        let door = try await door(try scratch.start().database)
        let admin = Decision.allowed(.administrator)
        #expect(door.authorize(header: "Bearer \(adminToken)", isLoopback: true) == admin)
        _ = try await make("agent", door)
        #expect(door.authorize(header: "Bearer \(adminToken)", isLoopback: false) == admin)
    }

    @Test(arguments: [
        "", "Bearer", "Bearer ", "Basic YTpi", "Bearer mk_", "Bearer ma_the-admin-toke",
        "Bearer ma_the-admin-token2", "Bearer mk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Bearer \u{0}",
    ])
    func `a credential that is none of ours is refused even where none is needed`(header: String) async throws
    {
        let door = try await door(try scratch.start().database)
        guard case .refused(let denial) = door.authorize(header: header, isLoopback: true) else {
            Issue.record("\(header) was let in")
            return
        }
        #expect(!denial.text.isEmpty)
    }

    @Test(arguments: [
        (expires: WallTime(milliseconds: 1) as WallTime?, admitted: false),
        (expires: WallTime(milliseconds: .max), admitted: true),
        (expires: nil, admitted: true),
    ])
    func `a key is good until it expires`(expires: WallTime?, admitted: Bool) async throws {
        let shelf = CallerKeyShelf(try scratch.start().database)
        var random = SplitMix64(seed: 1)
        let made = try await shelf.ring().make(using: &random)
        try await shelf.add(
            StoredCallerKey(
                id: made.id, label: "agent", digest: made.digest, scopes: "{}",
                created: WallTime(milliseconds: 0), expires: expires))
        let door = try await CallerDoor(shelf: shelf, adminToken: adminToken)
        #expect(door.authorize(header: "Bearer \(made.text)", isLoopback: true).isAllowed == admitted)
        // An expired key is still a key: the door does not fall open behind it.
        #expect(!door.authorize(header: nil, isLoopback: true).isAllowed)
    }

    @Test(arguments: ["name", "id"])
    func `a revoked key is refused from the next request on, and after a restart`(by: String) async throws {
        let database = try scratch.start().database
        let door = try await door(database)
        let made = try await door.create(name: "agent", lifeSeconds: nil)
        let other = try await make("other", door)
        let header = "Bearer \(try #require(made["token"]?.string))"
        _ = try await door.revoke(by == "id" ? try #require(made["id"]?.string) : "agent")
        #expect(!door.authorize(header: header, isLoopback: true).isAllowed)
        let again = try await self.door(database)
        #expect(!again.authorize(header: header, isLoopback: true).isAllowed)
        #expect(again.authorize(header: "Bearer \(other)", isLoopback: true).isAllowed)
    }

    @Test func `revoking what is no key says so`() async throws {
        let door = try await door(try scratch.start().database)
        let refusal = await #expect(throws: Refusal.self) { try await door.revoke("nobody") }
        #expect(refusal?.kind == .notFound)
    }

    @Test func `of requests for one name at once, one gets it`() async throws {
        let door = try await door(try scratch.start().database)
        let made = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask { (try? await door.create(name: "agent", lifeSeconds: nil)) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        #expect(door.list()["tokens"]?.elements.count == 1)
    }

    @Test func `what lasts of a key ends with it, and notes its uses`() async throws {
        let door = try await door(try scratch.start().database)
        let origin = CallOrigin(isLocal: true)
        let open = try #require(door.lasting(.none, from: origin))
        #expect(open())
        let key = try await make("agent", door)
        #expect(!open(), "a key is needed now")
        #expect(door.lasting(.none, from: origin) == nil)
        #expect(door.lasting(.bearer(adminToken[...]), from: origin) == nil)
        #expect(door.lasting(.bearer("mk_none"), from: origin) == nil)
        let good = try #require(door.lasting(.bearer(key[...]), from: origin))
        try await door.flushUses()
        #expect(good())
        #expect(door.list()["tokens"]?[0]?["lastUsedSeconds"]?.int != nil)
        let other = try await make("other", door)
        #expect(!good(), "another key has come; what that means is found out anew")
        let again = try #require(door.lasting(.bearer(key[...]), from: origin))
        #expect(again())
        _ = try await door.revoke("agent")
        #expect(!again())
        #expect(door.lasting(.bearer(key[...]), from: origin) == nil)
        #expect(door.lasting(.bearer(other[...]), from: origin) != nil)
    }

    @Test func `what lasts of a key ends when its time is over`() async throws {
        let door = try await door(try scratch.start().database)
        let key = try await make("brief", door, lifeSeconds: 1)
        let origin = CallOrigin(isLocal: true)
        let good = try #require(door.lasting(.bearer(key[...]), from: origin))
        #expect(good())
        let deadline = ContinuousClock.now + .seconds(10)
        while good(), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))  // a condition with a deadline
        }
        #expect(!good())
    }

    @Test func `the list tells of keys and uses, and never the keys`() async throws {
        let database = try scratch.start().database
        let door = try await door(database)
        let key = try await make("agent", door, lifeSeconds: 1_000)
        #expect(door.list()["tokens"]?[0]?["lastUsedSeconds"] == nil)
        _ = door.authorize(header: "Bearer \(key)", isLoopback: false)
        try await door.flushUses()
        let listed = try #require(door.list()["tokens"]?[0])
        #expect(listed["name"]?.string == "agent")
        #expect((600...1_000).contains(listed["expiresInSeconds"]?.int ?? 0))
        #expect(listed["lastUsedSeconds"]?.int != nil)
        #expect(!door.list().text.contains(key))
        #expect(try await CallerKeyShelf(database).all().first?.lastUsed != nil)
    }

    @Test func `the last uses are kept though the task that ends the node is cancelled`() async throws {
        let database = try scratch.start().database
        let door = try await door(database)
        let key = try await make("agent", door, lifeSeconds: 1_000)
        _ = door.authorize(header: "Bearer \(key)", isLoopback: false)
        let ending = Task {
            while !Task.isCancelled { await Task.yield() }
            try door.flushUsesAtEnd()
        }
        ending.cancel()
        try await ending.value
        #expect(try await CallerKeyShelf(database).all().first?.lastUsed != nil)
    }
}

extension CallerDoor {
    fileprivate func authorize(header: String?, isLoopback: Bool) -> Decision {
        decide(PresentedCredential(header: header), from: CallOrigin(isLocal: isLoopback))
    }
}

extension Decision {
    fileprivate var isAllowed: Bool { if case .allowed = self { true } else { false } }
}
