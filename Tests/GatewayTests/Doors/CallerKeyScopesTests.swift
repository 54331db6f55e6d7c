import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Storage
import Testing

@testable import Gateway

/// Keys that were made for less than everything.
struct CallerKeyScopesTests {
    private let scratch = Scratch()

    @Test func `what a key is narrowed to travels with who shows it, also after a restart`() async throws {
        let database = try scratch.start().database
        let door = try await CallerDoor(shelf: CallerKeyShelf(database), adminToken: "ma_admin")
        let scopes = try CallerKeyScopes(servers: ["ops", "lab"], entries: ["github/*"])
        let key = try #require(
            try await door.create(name: "agent", lifeSeconds: nil, scopes: scopes)["token"]?.string)
        let whole = try #require(try await door.create(name: "whole", lifeSeconds: nil)["token"]?.string)
        let again = try await CallerDoor(shelf: CallerKeyShelf(database), adminToken: "ma_admin")
        for door in [door, again] {
            let expected = CredentialNarrowing(virtualServers: ["ops", "lab"], entries: ["github/*"])
            #expect(
                door.decide(PresentedCredential(header: "Bearer \(key)"), from: CallOrigin(isLocal: false))
                    == .allowed(Principal(Caller(issuer: "key", subject: "agent"), narrowing: expected)))
            #expect(
                door.decide(PresentedCredential(header: "Bearer \(whole)"), from: CallOrigin(isLocal: false))
                    == .allowed(Principal(Caller(issuer: "key", subject: "whole"))))
        }
    }

    @Test(arguments: [
        "", "[]", "null", "{", #"{"servers":"ops"}"#, #"{"entries":[1]}"#, #"{"servers":null}"#,
        #"{"entries":{}}"#,
        #"{"servers":["a"],"servers":["b"]}"#,
    ])
    func `what cannot be read narrows to nothing`(text: String) {
        let narrowing = CallerKeyScopes(stored: text).narrowing
        #expect(narrowing == CredentialNarrowing(virtualServers: [], entries: []))
    }

    @Test func `what older keys have is everything`() {
        #expect(CallerKeyScopes(stored: "{}").narrowing == nil)
    }

    @Test(
        arguments: [
            (servers: ["No Name"], entries: []), ([""], []), ([], [""]), ([], ["a\nb"]),
            ([], [String(repeating: "x", count: 257)]),
            (Array(repeating: "a", count: 65), []), ([], Array(repeating: "a", count: 65)),
            (["github/*"], []),
        ] as [(servers: [String], entries: [String])])
    func `what is no name and no pattern is refused`(servers: [String], entries: [String]) {
        #expect(throws: Refusal.self) { try CallerKeyScopes(servers: servers, entries: entries) }
    }

    @Test(
        arguments: [([], []), (["ops"], []), ([], ["*/get_*"]), (["ops"], ["a/b"])] as [([String], [String])])
    func `scopes are kept as they were given`(servers: [String], entries: [String]) throws {
        let scopes = try CallerKeyScopes(servers: servers, entries: entries)
        #expect(CallerKeyScopes(stored: scopes.json.text) == scopes)
    }
}
