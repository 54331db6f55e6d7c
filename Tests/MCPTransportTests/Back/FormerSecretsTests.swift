import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// A backend that changes from one credential to another, while calls run.
@Suite(.timeLimit(.minutes(1)))
struct FormerSecretsTests {
    /// A server that takes one bearer token at a time, and counts what it refused.
    private final class Bank: Sendable {
        let token = Mutex("old")
        let refused = Mutex(0)
        /// Whether it changes over when next it sees the old token, and does not take that any more.
        let isChanging = Mutex(false)

        func admits(_ exchange: HTTPExchange) -> Bool {
            if exchange.headers.first("authorization") == "Bearer old", isChanging.withLock({ $0 }) {
                isChanging.withLock { $0 = false }
                token.withLock { $0 = "new" }
            }
            let wanted = token.withLock { $0 }
            if exchange.headers.first("authorization") == "Bearer \(wanted)" { return true }
            if exchange.query.contains(where: { $0 == ("key", wanted) }) { return true }
            refused.withLock { $0 += 1 }
            return false
        }
    }

    private func with(
        former: String?, inQuery: Bool = false, _ body: (Bank, BackendRig) async throws -> Void
    ) async throws {
        let bank = Bank()
        try await FrontRig.with(FrontRig.sample, admits: { bank.admits($0) }, refusal: 401) { front in
            try await BackendRig.with(
                .http(
                    url: front.url("/mcp"),
                    headers: inQuery
                        ? []
                        : [
                            ("Authorization", SecretText(parts: [.text("Bearer "), .secret("token")])),
                            ("X-Team", SecretText(plain: "blue")),
                        ],
                    query: inQuery ? [("key", SecretText("${secret:token}"))] : []),
                secrets: ["token": "new"],
                formers: FormerSecrets { $0 == "token" ? former.map { Array($0.utf8) } : nil }
            ) { rig in try await body(bank, rig) }
        }
    }

    @Test(arguments: [false, true])
    func `a server that has not changed over gets the former value, and one that has the new one`(
        inQuery: Bool
    ) async throws {
        try await with(former: "old", inQuery: inQuery) { bank, rig async throws in
            _ = try await rig.listing()
            #expect(bank.refused.withLock { $0 } > 0, "the new value is tried first")
            for index in 0..<40 {
                if index == 20 {
                    bank.token.withLock { $0 = "new" }
                    bank.refused.withLock { $0 = 0 }
                }
                let answer = await rig.call(
                    "tools/call", ["name": "add", "arguments": ["a": .number(index), "b": 1]])
                #expect(
                    answer.result?["isError"]?.bool == false || answer.text != nil, "call \(index): \(answer)"
                )
            }
            #expect(bank.refused.withLock { $0 } == 0)
        }
    }

    @Test func `a server that changes over between the two gets the new value once more`() async throws {
        try await with(former: "old") { bank, rig async throws in
            _ = try await rig.listing()
            bank.refused.withLock { $0 = 0 }
            bank.isChanging.withLock { $0 = true }
            let answer = await rig.call("tools/call", ["name": "add", "arguments": ["a": 1, "b": 1]])
            #expect(answer.result != nil, "\(answer)")
            #expect(bank.refused.withLock { $0 } == 2)
        }
    }

    @Test func `without a former value, or with one that is refused too, the refusal stands`() async throws {
        for former in [nil, "older"] {
            try await with(former: former) { _, rig async throws in
                #expect(try await rig.reason(.authNeeded).contains("401"))
            }
        }
    }
}
