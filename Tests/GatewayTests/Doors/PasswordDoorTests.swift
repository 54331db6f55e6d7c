import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Testing
import Vault

@testable import Gateway

/// Users with passwords at the MCP listener.
@Suite(.timeLimit(.minutes(3)))
struct PasswordDoorTests {
    private static let hash = Result { try PasswordMaker.hash(of: "päss:word") }

    private static func with(_ body: (DoorRig) async throws -> Void) async throws {
        let hash = try hash.get()
        let auth: JSON = ["basic": [["user": "plant", "hash": .string(hash)]]]
        try await DoorRig.with(auth: { _ in auth }, body)
    }

    private static func basic(_ pair: String) -> String { "Basic \(Base64.encode(Array(pair.utf8)))" }

    @Test(arguments: ["Basic ", "basic ", "BASIC "])
    func `a user with the right password comes in, again and again`(scheme: String) async throws {
        try await Self.with { (rig: DoorRig) async throws in
            let credential = scheme + Self.basic("plant:päss:word").dropFirst("Basic ".count)
            for _ in 0..<3 { #expect(try await rig.ask(credential: credential).status == 200) }
        }
    }

    @Test func `everybody else learns nothing but that it was wrong`() async throws {
        try await Self.with { (rig: DoorRig) async throws in
            var told: Set<String> = []
            for credential in [
                Self.basic("plant:wrong"), Self.basic("nobody:päss:word"), Self.basic("plant:"),
                Self.basic(":x"),
                Self.basic("plant"), "Basic !!!!", Self.basic("plant:päss:word") + "=",
                Self.basic("Plant:päss:word"),
            ] {
                let answer = try await rig.ask(credential: credential)
                #expect(answer.status == 401)
                told.insert(answer.json.text)
                #expect(answer.challenge?.contains("Basic realm=") == true)
            }
            #expect(told.count == 1, "\(told)")
            #expect(try await rig.ask(credential: nil).status == 401)
        }
    }

    @Test func `a wrong password is wrong also after the right one`() async throws {
        try await Self.with { (rig: DoorRig) async throws in
            #expect(try await rig.ask(credential: Self.basic("plant:päss:word")).status == 200)
            #expect(try await rig.ask(credential: Self.basic("plant:päss:wore")).status == 401)
        }
    }

    @Test func `who guesses one user's password is not listened to for a while, and nobody else is shut out`()
        async throws
    {
        let hash = try Self.hash.get()
        let auth: JSON = [
            "basic": [
                ["user": "plant", "hash": .string(hash)], ["user": "office", "hash": .string(hash)],
                ["user": "lab", "hash": .string(hash)],
            ]
        ]
        try await DoorRig.with(auth: { _ in auth }) { (rig: DoorRig) async throws in
            #expect(try await rig.ask(credential: Self.basic("office:päss:word")).status == 200)
            for number in 0..<GuessBook.failuresMax {
                #expect(try await rig.ask(credential: Self.basic("plant:\(number)")).status == 401)
            }
            let told = try await rig.ask(credential: Self.basic("plant:more"))
            #expect(told.status == 429 && told.retryAfter == "6" && told.challenge == nil)
            // Not even the right one is looked at: the answer tells a guesser nothing.
            #expect(try await rig.ask(credential: Self.basic("plant:päss:word")).status == 429)
            // Others behind the same address: who was known, who was not, and who has a key.
            #expect(try await rig.ask(credential: Self.basic("office:päss:word")).status == 200)
            #expect(try await rig.ask(credential: Self.basic("lab:päss:word")).status == 200)
            let key = try #require(
                try await rig.keys.create(name: "agent", lifeSeconds: nil)["token"]?.string)
            #expect(try await rig.ask(credential: "Bearer \(key)").status == 200)
            rig.pass(.seconds(6))
            #expect(try await rig.ask(credential: Self.basic("plant:päss:word")).status == 200)
        }
    }

    @Test func `guesses that come together are counted like those that come one after the other`()
        async throws
    {
        try await Self.with { (rig: DoorRig) async throws in
            #expect(try await rig.ask(credential: Self.basic("plant:päss:word")).status == 200)
            let told = try await withThrowingTaskGroup(of: (isGuess: Bool, status: Int).self) { group in
                for number in 0..<3 * GuessBook.failuresMax {
                    group.addTask {
                        (true, try await rig.ask(credential: Self.basic("plant:\(number)")).status)
                    }
                }
                // More often than anybody may guess: right ones that are known count nothing.
                for _ in 0..<3 * GuessBook.failuresMax {
                    group.addTask {
                        (false, try await rig.ask(credential: Self.basic("plant:päss:word")).status)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let guesses = told.filter(\.isGuess).map(\.status)
            #expect(guesses.count { $0 == 401 } == GuessBook.failuresMax, "\(guesses)")
            #expect(guesses.count { $0 == 429 } == 2 * GuessBook.failuresMax)
            #expect(told.allSatisfy { $0.isGuess || $0.status == 200 })
        }
    }

    @Test func `a right password that is new costs nothing of what its address may guess`() async throws {
        try await Self.with { (rig: DoorRig) async throws in
            for number in 1..<GuessBook.failuresMax {
                #expect(try await rig.ask(credential: Self.basic("plant:\(number)")).status == 401)
            }
            #expect(try await rig.ask(credential: Self.basic("plant:päss:word")).status == 200)
            #expect(try await rig.ask(credential: Self.basic("plant:last")).status == 401)
            #expect(try await rig.ask(credential: Self.basic("plant:more")).status == 429)
        }
    }

    @Test func `who guesses much at once is told to wait, and known users are not held up`() async throws {
        let user = BasicUser(name: "plant", hash: try #require(PasswordHash(try Self.hash.get())))
        let door = PasswordDoor([user], waitingMax: 2)
        let right = Base64.encode(Array("plant:päss:word".utf8))[...]
        #expect(await Self.finding(door, right) == "plant")
        let answers = await withTaskGroup(of: String.self) { group in
            for number in 0..<10 {
                let guess = Base64.encode(Array("plant:guess-\(number)".utf8))[...]
                group.addTask { await Self.finding(door, guess) }
            }
            // At once, whatever is being looked at.
            group.addTask { await Self.finding(door, right) }
            return await group.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        }
        #expect(answers["plant"] == 1)
        #expect(answers["busy", default: 0] + answers["wrong", default: 0] == 10)
        #expect(answers["busy", default: 0] > 0, "\(answers)")
        #expect(await Self.finding(door, right) == "plant")
    }

    @Test(arguments: [("K", "\u{212A}"), ("\u{E9}", "e\u{301}")])
    func `another spelling of a name is another name`(name: String, spelling: String) async throws {
        let door = PasswordDoor([BasicUser(name: name, hash: try #require(PasswordHash(try Self.hash.get())))]
        )
        #expect(name == spelling, "to Swift they are the same text")
        for _ in 0..<2 {
            for (shown, expected) in [(spelling, "wrong"), (name, name)] {
                let found = await Self.finding(door, Base64.encode(Array("\(shown):päss:word".utf8))[...])
                #expect(Array(found.utf8) == Array(expected.utf8))
            }
        }
    }

    private static func finding(_ door: PasswordDoor, _ encoded: Substring) async -> String {
        await withCheckedContinuation { continuation in
            door.examine(encoded) { outcome in
                switch outcome {
                case .user(let name): continuation.resume(returning: name)
                case .wrong: continuation.resume(returning: "wrong")
                case .busy: continuation.resume(returning: "busy")
                }
            }
        }
    }
}
