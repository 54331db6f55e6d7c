import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Mesh
import Policy
import Testing

@testable import Gateway
@testable import MeshTransport

/// The owner decides on what an entry node sends, which may be compromised: it names whom it likes, skips what a virtual server
/// sets, and calls what it leaves out.
struct OwnerAccessTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let local = LocalServers()

    init() throws {
        let press = ServerKey(owner: .here, name: "press").reference
        let stamp = try #require(
            Entry(
                kind: .tool,
                definition: [
                    "name": "stamp",
                    "inputSchema": ["type": "object", "properties": ["mould": ["type": "string"]]],
                ]))
        board.publish(
            try CatalogSnapshot.sample()
                .with("press", [stamp] + .tools("get_state", "melt") + .resources("file:///a"))
                .with(
                    virtual: "ops",
                    [
                        "use": [
                            ["tool": .string("\(press)/stamp"), "set": ["mould": "a"]],
                            ["from": .string(press), "only": ["get_*"]],
                        ]
                    ]))
        local.put("press", StillBackend.make("press"), concurrency: 4)
    }

    private func serve(
        _ rules: String, _ tool: String = "stamp", by caller: String = "key:alice",
        arguments: JSON = .emptyObject,
        through virtualServer: Label? = nil, method: String = Method.toolsCall, params: JSON? = nil,
        at given: AccessDesk? = nil
    ) throws -> Heard {
        let access = try given ?? AccessDeskTests.desk("access: \(rules)", board)
        let desk = OwnerDesk(local: local, label: { "here" }, isShared: { _, _ in true }, access: access)
        let caller = try #require(Caller(written: caller))
        let heard = Heard()
        _ = desk.serve(
            IncomingMeshCall(
                server: "press",
                request: CallRequest(
                    id: CallID(high: 1, low: 2), method: method,
                    params: params ?? ["name": .string(tool), "arguments": arguments], client: ClientFacts(),
                    caller: caller, timeLeft: .seconds(5)),
                virtualServer: virtualServer,
                principal: WirePrincipal(issuer: caller.issuer, subject: caller.subject, entryNode: .there)),
            heard.sink)
        return heard
    }

    /// It came as far as the backend, which does not run here.
    private static let passed = Reason.backendUnavailable

    @Test func `an operator's limit holds at the owner, whoever is named`() throws {
        let press = ServerKey(owner: .here, name: "press")
        var snapshot = board.snapshot
        let allowance = try CallAllowance(rate: CallRate(1, in: .seconds(3_600)), concurrency: nil).orFail()
        snapshot.limits = StatedLimits([
            StatedLimit(
                target: .server(press), signer: .there, allowance, reason: "", at: 0,
                word: ContentHash(of: []))
        ])
        board.publish(snapshot)
        let access = try AccessDeskTests.desk("access: {}", board)
        #expect(try serve("{}", at: access).failure?.reason == Self.passed)
        let second = try serve("{}", "melt", by: "key:bob", at: access).failure
        #expect(second?.reason == .limited && second?.rule == "limit on press")
    }

    @Test func `without rules here, whomever the entry node names may call`() throws {
        #expect(try serve("{}").failure?.reason == Self.passed)
    }

    @Test(arguments: [
        ("key:alice", Reason.backendUnavailable), ("key:mallory", .unknownEntry),
        ("local:admin", .unknownEntry),
        ("node:x", .unknownEntry),
    ])
    func `an entry node names whom it likes; here rules hold for that one`(caller: String, reason: Reason)
        throws
    {
        let rules = #"{rules: [{allow: [call], who: ["key:alice"], entries: [stamp]}]}"#
        let heard = try serve(rules, by: caller)
        #expect(heard.failure?.reason == reason && heard.failure?.node == "here")
        #expect(try serve(rules, "melt", by: caller).failure?.reason == .unknownEntry)
    }

    @Test(arguments: [
        ("node:there", true), ("segment:there", true), ("node:here", false), ("segment:plant", false),
    ])
    func `where the caller came in is what the link has proved`(from: String, passes: Bool) throws {
        let rules = #"{rules: [{allow: [call], who: ["*"], from: ["\#(from)"]}]}"#
        #expect((try serve(rules).failure?.reason == Self.passed) == passes)
    }

    @Test func `what may be seen and not called is denied, and the rule is this node's business`() throws {
        let rules = #"{rules: [{allow: [see], who: ["*"]}, {name: private-name, deny: [call], who: ["*"]}]}"#
        let failure = try #require(try serve(rules).failure)
        #expect(failure.reason == .denied)
        #expect(!failure.detail.contains("private-name") && failure.hint?.contains("private-name") != true)
    }

    @Test(arguments: [
        (tool: "stamp", mould: "a" as String?, via: "ops" as Label?, passes: true),
        // What the virtual server sets is not what was sent.
        ("stamp", "b", "ops", false), ("stamp", nil, "ops", false),
        // What it leaves out.
        ("melt", nil, "ops", false), ("get_state", nil, "ops", true),
        // Another one, none at all, or one that does not exist.
        ("stamp", "a", nil, false), ("stamp", "a", "nope", false), ("stamp", "a", "press", false),
    ])
    func `through a virtual server comes only what it leads to, with what it sets`(
        tool: String, mould: String?, via: Label?, passes: Bool
    ) throws {
        let rules = #"{rules: [{allow: [call], who: ["*"], virtualServers: ["*"]}]}"#
        let arguments: JSON = mould.map { ["mould": .string($0)] } ?? .emptyObject
        let reason = try serve(rules, tool, arguments: arguments, through: via).failure?.reason
        #expect((reason == Self.passed) == passes)
    }

    @Test(arguments: [("{mould: x}", false), ("{amount: 5}", true), ("{amount: 5000}", false)])
    func `arguments are looked at again`(arguments: String, passes: Bool) throws {
        let rules = #"{rules: [{allow: [call], who: ["*"], when: {argument: /amount, below: 100}}]}"#
        let given = try YAMLDocument(parsing: arguments).value
        #expect((try serve(rules, arguments: given).failure?.reason == Self.passed) == passes)
    }

    @Test func `a server may take the word of some entry nodes only`() throws {
        for (scope, passes) in [
            (ServerScope(segments: ["plant"]), false), (ServerScope(segments: ["there"]), true),
            (ServerScope(nodes: ["there"]), true),
        ] {
            local.put("press", StillBackend.make("press"), concurrency: 4, callersFrom: scope)
            let failure = try serve("{}").failure
            #expect((failure?.reason == Self.passed) == passes)
            if !passes {
                #expect(failure?.reason == .denied && failure?.hint?.contains("callersFrom") == true)
                // For itself a node's link speaks, whatever it says of others.
                #expect(try serve("{}", by: "node:\(NodeID.there)").failure?.reason == Self.passed)
            }
        }
    }

    @Test func `tasks lead nowhere for those who may see nothing here`() throws {
        let rules = #"{rules: [{allow: [call], who: ["key:alice"]}]}"#
        let ask = { (caller: String) in
            try serve(rules, by: caller, method: Method.tasksGet, params: ["taskId": "t"]).failure
        }
        #expect(try ask("key:bob")?.detail == "there is no such entry at press of here")
        // It came to where tasks are known, and to none of that name.
        #expect(try ask("key:alice")?.detail != ask("key:bob")?.detail)
    }

    @Test func `updates of a resource go to a node of which some caller may read it`() throws {
        let params = ResourceSubscription.params(uri: "file:///a")
        let node = "node:\(NodeID.there)"
        let some = #"{rules: [{allow: [read], who: ["key:alice"]}]}"#
        let listen = try serve(some, by: node, method: Method.subscriptionsListen, params: params)
        #expect(listen.failure?.reason != .unknownEntry && listen.failure?.reason != .denied)
        let none = #"{rules: [{allow: [read], who: ["key:alice"], entries: ["file:///b"]}]}"#
        #expect(
            try serve(none, by: node, method: Method.subscriptionsListen, params: params).failure?.reason
                == .unknownEntry)
        // To ask for more than one is no way around.
        let both: JSON = ["notifications": ["resourceSubscriptions": ["file:///b", "file:///a"]]]
        #expect(
            try serve(none, by: node, method: Method.subscriptionsListen, params: both).failure?.reason
                == .unknownEntry)
    }

    @Test func `the owner counts, whatever the entry node lets through`() throws {
        let access = try AccessDeskTests.desk(
            "access: {limits: [{name: two, rate: 2 in 1h, shared: true}]}", board)
        let desk = OwnerDesk(local: local, label: { "here" }, isShared: { _, _ in true }, access: access)
        func once(_ name: String) -> CallFailure? {
            let heard = Heard()
            _ = desk.serve(
                IncomingMeshCall(
                    server: "press",
                    request: CallRequest(
                        id: .random(), method: Method.toolsCall, params: ["name": "stamp"],
                        client: ClientFacts(),
                        caller: Caller(issuer: "key", subject: name), timeLeft: .seconds(5)),
                    principal: WirePrincipal(issuer: "key", subject: name, entryNode: .there)), heard.sink)
            return heard.failure
        }
        #expect(once("a")?.reason == Self.passed && once("b")?.reason == Self.passed)
        let excess = once("c")
        #expect(excess?.reason == .limited && excess?.retryAfter != nil && excess?.node == "here")
    }
}
