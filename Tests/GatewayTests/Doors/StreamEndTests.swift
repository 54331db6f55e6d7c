import JSONSlice
import MCPModel
import MartletTestKit
import Storage
import Testing

@testable import Gateway
@testable import MCPTransport

/// A stream does not outlive the right to it.
@Suite(.timeLimit(.minutes(2)))
struct StreamEndTests {
    private let mint: TokenMint

    init() throws { mint = try TokenMint("ES256", keyID: "k1") }

    private static func auth(_ jwks: String) -> JSON {
        ["jwt": [["issuer": .string(FakeIssuer.name), "jwks": .string(jwks)]]]
    }

    private func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while !(try await isSo()) {
            try #require(ContinuousClock.now < end, "not so in time: \(what)")
            try await Task.sleep(for: .milliseconds(20))  // a condition with a deadline
        }
    }

    /// Opens a listen, lets something happen to its credential, and looks what becomes of it.
    private func listen(
        _ rig: DoorRig, _ credential: String, while happening: () async throws -> Void
    ) async throws -> DoorRig.Answer {
        async let answer = rig.ask(
            Method.subscriptionsListen, ["notifications": ["toolsListChanged": true]], credential: credential)
        try await eventually("the stream is open") { rig.front.streams.count == 1 }
        await rig.front.reviewStreams()
        try await eventually("the look is over") { rig.front.streams.count == 1 }
        try await happening()
        try await eventually("the stream ends") {
            await rig.front.reviewStreams()
            return rig.front.streams.count == 0
        }
        return try await answer
    }

    @Test func `a listen ends soon after its key is revoked, with an error that says why`() async throws {
        try await DoorRig.with(.keys([mint]), auth: Self.auth) { (rig: DoorRig) async throws in
            let key = try #require(
                try await rig.keys.create(name: "agent", lifeSeconds: nil)["token"]?.string)
            let answer = try await listen(rig, "Bearer \(key)") { _ = try await rig.keys.revoke("agent") }
            #expect(answer.status == 200 && answer.text.contains("subscriptions/acknowledged"))
            let last = answer.text.split(separator: "\n").last { $0.hasPrefix("data:") } ?? ""
            let error = try JSON(validating: String(last.dropFirst(5)))["error"]
            #expect(error?.pointer("/data/reason")?.string == "denied", "\(answer.text)")
        }
    }

    @Test func `a listen ends when its token has run out`() async throws {
        try await DoorRig.with(.keys([mint]), auth: Self.auth) { (rig: DoorRig) async throws in
            // Within the slack for two seconds more.
            let now = Int(WallTime.now().milliseconds / 1000)
            let token = try rig.bearer(mint, [("exp", .number(now - 27)), ("iat", .number(now - 60))])
            let answer = try await listen(rig, token) {}
            #expect(answer.status == 200 && answer.text.contains("not good any more"), "\(answer.text)")
            #expect(try await rig.ask(credential: token).status == 401)
        }
    }

    @Test func `where nobody can say, a stream goes on for a while and no longer`() async throws {
        try await DoorRig.with(.keys([mint]), auth: Self.auth) { (rig: DoorRig) async throws in
            let undecided = Flag()
            var door = rig.front.service.door
            let admits = door.stillAdmits
            door.stillAdmits = { exchange, place, decided in
                guard undecided.isRaised else { return admits(exchange, place, decided) }
                decided(.refused(status: 503, challenge: nil, message: "no keys"))
            }
            var service = rig.front.service
            service.door = door
            let front = MCPFront(service: service, log: .silent)
            let listener = try await HTTPListener.bind(
                ListenAddress(host: "127.0.0.1", port: 0), group: EventLoops.shared
            ) { front.handle($0) }
            let key = try #require(
                try await rig.keys.create(name: "agent", lifeSeconds: nil)["token"]?.string)
            async let answer = rig.ask(
                Method.subscriptionsListen, ["notifications": ["toolsListChanged": true]],
                credential: "Bearer \(key)", origin: "http://\(listener.address)")
            try await eventually("the stream is open") { front.streams.count == 1 }
            undecided.raise()
            var looks = 0
            try await eventually("it ends") {
                await front.reviewStreams()
                looks += 1
                return front.streams.count == 0
            }
            #expect(looks >= front.limits.streamDoubtsMax)
            #expect(try await answer.text.contains("not good any more"))
            front.close()
            await listener.close()
        }
    }
}
