import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Policy
import Testing

@testable import Gateway

/// What each principal is shown and may call at the entry node.
struct AccessDeskTests {
    static let alice = Principal(Caller(issuer: "key", subject: "alice"))
    static let bob = Principal(Caller(issuer: "key", subject: "bob"))
    static let nobody = Principal(Caller(issuer: "key", subject: "nobody"))

    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let access: AccessDesk
    private let forwarded = Box<ForwardedCall>()

    /// Alice has the press, Bob what `get_*` there is anywhere; `press/forbidden` is shown to nobody.
    private static let rules = """
        access:
          teams:
            ops: {members: ["key:alice"]}
          rules:
            - {name: press, allow: all, who: ["team:ops"], servers: [press]}
            - {name: getters, allow: [call], who: ["key:bob"], entries: ["get_*"]}
            - {name: look, allow: [see], who: ["key:bob"], entries: [put]}
            - {name: hidden, deny: [see], who: ["*"], entries: [press/forbidden]}
            - name: small
              allow: [call]
              who: ["key:bob"]
              entries: [pay]
              when: {argument: /amount, below: 100}
        virtualServers:
          x: {use: [{from: press}]}
        """

    static func desk(
        _ yaml: String, _ board: CatalogBoard, now: @escaping @Sendable () -> Instant = { .zero }
    ) throws
        -> AccessDesk
    {
        AccessDesk(rules: try ConfigurationFile.node(yaml, file: "x").access, board: board, now: now)
    }

    @Test func `what is remembered of views is bounded by their size, and nothing is shown wrong for it`()
        throws
    {
        let all = try Self.desk(Self.rules, board)
        let few = AccessDesk(rules: all.rules, board: board, viewBytesMax: 3 * AccessDesk.viewEntryBytes)
        for _ in 0..<3 {
            for principal in [Self.alice, Self.bob, Self.nobody] {
                let names = { (desk: AccessDesk) in
                    desk.view(.all, for: principal)?.list(.tool).map(\.name)
                }
                #expect(names(few) == names(all))
                #expect(few.viewBytes <= 3 * AccessDesk.viewEntryBytes)
            }
        }
        #expect(all.viewBytes > 3 * AccessDesk.viewEntryBytes)
    }

    init() throws {
        access = try Self.desk(Self.rules, board)
        board.publish(try Self.catalog())
    }

    private static func catalog() throws -> CatalogSnapshot {
        let press = ServerKey(owner: .here, name: "press").reference
        return try CatalogSnapshot.sample()
            .with("press", .tools("stamp", "forbidden", "get_state", "put", "pay") + .resources("file:///a"))
            .with("desk", on: .there, .tools("echo", "get_paper"))
            .with(
                virtual: "ops",
                ["use": [["tool": .string("\(press)/stamp"), "as": "seal"]], "access": ["team:ops"]]
            )
            .with(virtual: "open", ["use": [["from": .string(press)]]])
            .with(
                virtual: "works",
                [
                    "use": [
                        composite("two", ["get_state", "pay"], of: press),
                        composite("three", ["get_state", "stamp"], of: press),
                    ]
                ])
    }

    private static func composite(_ name: String, _ tools: [String], of server: String) -> JSON {
        [
            "composite": .string(name), "inputSchema": ["type": "object"],
            "steps": .array(
                tools.map {
                    [
                        "id": .string($0), "call": .string("\(server)/\($0)"), "arguments": ["amount": 500],
                    ]
                }),
        ]
    }

    @Test func `a composite is for those who may call each of its steps, and each step is decided`() throws {
        #expect(tools(Self.alice, at: .server("works")) == ["two", "three"])
        #expect(tools(Self.bob, at: .server("works")) == ["two"])
        #expect(tools(Self.nobody, at: .server("works")) == [])
        #expect(call("three", as: Self.bob, at: .server("works")).failure?.reason == .unknownEntry)
        // Bob may pay less than 100, and this step pays 500: the step before it is called, and fails for want of a backend.
        let alices = try #require(call("two", as: Self.alice, at: .server("works")).failure)
        #expect(alices.detail.hasPrefix("step get_state:"))
    }

    private func tools(_ principal: Principal, at endpoint: EndpointName = .all) -> [String]? {
        access.view(endpoint, for: principal).map { $0.list(.tool).map(\.name) }
    }

    private func call(
        _ name: String, as principal: Principal, at endpoint: EndpointName = .all,
        _ arguments: JSON = .emptyObject,
        method: String = Method.toolsCall
    ) -> Heard {
        let router = CallRouter(board: board, local: LocalServers(), access: access, label: { "here" }) {
            [forwarded] call, sink in
            forwarded.add(call)
            sink(.result(["content": []]))
            return .finished
        }
        let heard = Heard()
        let params: JSON =
            method == Method.resourcesRead
            ? ["uri": .string(name)] : ["name": .string(name), "arguments": arguments]
        _ = router.call(
            EndpointCall(
                endpoint: endpoint, principal: principal, method: method, params: params,
                client: ClientFacts()),
            heard.sink)
        return heard
    }

    @Test func `each principal is listed what rules let him see, and no more`() {
        #expect(
            tools(Self.alice) == ["press__stamp", "press__get_state", "press__put", "press__pay"])
        #expect(
            tools(Self.bob) == ["press__get_state", "press__put", "press__pay", "there--desk__get_paper"])
        #expect(tools(Self.nobody) == [])
        #expect(
            tools(.administrator)
                == [
                    "press__stamp", "press__forbidden", "press__get_state", "press__put", "press__pay",
                    "there--desk__echo", "there--desk__get_paper",
                ])
        #expect(access.view(.all, for: Self.alice)?.list(.resource).count == 1)
        #expect(access.view(.all, for: Self.bob)?.list(.resource).isEmpty == true)
    }

    @Test func `whoever asks first leaves nothing behind for the next`() {
        for _ in 0..<3 {
            #expect(tools(Self.alice)?.contains("press__stamp") == true)
            #expect(tools(Self.bob)?.contains("press__stamp") == false)
            #expect(
                call("press__stamp", as: Self.alice).failure?.reason == .unknownEntry, "no backend runs here")
            #expect(
                call("press__stamp", as: Self.bob).failure?.detail == "there is no tool press__stamp here")
        }
    }

    @Test func `what may not be seen answers as what does not exist`() throws {
        for (name, method) in [("press__stamp", Method.toolsCall), ("press__forbidden", Method.toolsCall)] {
            let hidden = try #require(call(name, as: Self.bob, method: method).failure)
            let missing = try #require(call("press__nothing", as: Self.bob, method: method).failure)
            #expect(hidden.reason == .unknownEntry)
            #expect(hidden.detail.replacing(name, with: "press__nothing") == missing.detail)
            #expect(hidden.hint == missing.hint || hidden.hint?.hasPrefix("did you mean") == true)
        }
        let uri = "martlet://press/file:///a"
        #expect(call(uri, as: Self.bob, method: Method.resourcesRead).failure?.reason == .unknownEntry)
        #expect(call("there--desk__echo", as: Self.bob).failure?.reason == .unknownEntry)
        #expect(forwarded.values.isEmpty)
    }

    @Test func `suggestions name nothing that may not be seen`() {
        let failure = call("press__stam", as: Self.bob).failure
        #expect(failure?.hint?.contains("stamp") != true)
        #expect(call("press__stam", as: Self.alice).failure?.hint == "did you mean press__stamp?")
    }

    @Test func `what may be seen and not called is denied, and the rule named to those who may know`() throws
    {
        let denied = try #require(call("press__put", as: Self.bob).failure)
        #expect(denied.reason == .denied && denied.detail == "key:bob may not use press__put here")
        #expect(denied.hint?.contains("look") == false)
        var asked = Self.bob
        asked.assumedBy = .administrator
        #expect(
            call("press__put", as: asked).failure?.hint?.hasPrefix("there are rules, and none allows it")
                == true)
    }

    @Test(arguments: [(5, true), (100, false), (500, false)])
    func `a rule may let some arguments pass`(amount: Int, passes: Bool) {
        let failure = call("press__pay", as: Self.bob, ["amount": .number(amount)]).failure
        #expect((failure?.reason == .denied) == !passes)
    }

    @Test func `another node's entry is called where a rule allows it, and goes with the caller's name`() {
        #expect(call("there--desk__get_paper", as: Self.bob).result != nil)
        #expect(forwarded.values.map(\.caller) == [Self.bob.caller])
    }

    @Test(arguments: [
        (who: alice, ops: true, open: true, press: true), (bob, false, true, true),
        (nobody, false, true, false),
        (.administrator, true, true, true),
    ])
    func `an endpoint that is not for a caller is one that does not exist`(
        who: Principal, ops: Bool, open: Bool, press: Bool
    ) {
        #expect((tools(who, at: .server("ops")) != nil) == ops)
        #expect((tools(who, at: .server("open")) != nil) == open)
        #expect((tools(who, at: .server("press")) != nil) == press)
        #expect(tools(who, at: .server("nowhere")) == nil)
        if !ops {
            let (hidden, missing) = (
                call("seal", as: who, at: .server("ops")), call("seal", as: who, at: .server("nope"))
            )
            #expect(hidden.failure?.detail.replacing("ops", with: "nope") == missing.failure?.detail)
            #expect(hidden.failure?.reason == .unknownEntry)
        }
    }

    @Test func `a virtual server's entries go by the rules for what they stand for`() {
        #expect(tools(Self.alice, at: .server("ops")) == ["seal"])
        #expect(tools(Self.bob, at: .server("open")) == ["get_state", "put", "pay"])
    }

    @Test func `nothing outside of lists is reached that rules keep away`() {
        // On the endpoint of one server any name would be that server's to know.
        #expect(
            call("forbidden", as: Self.alice, at: .server("press")).failure?.detail
                == "there is no tool forbidden here")
        #expect(
            call("file:///secret", as: Self.bob, at: .server("press"), method: Method.resourcesRead).failure?
                .reason == .unknownEntry)
    }

    @Test func `those who are told of a changed list are those whose own list changed`() throws {
        let watchers = Watchers(access: access)
        let told = (alice: Box<ListChange>(), bob: Box<ListChange>())
        let tokens = [
            watchers.watch(.all, as: Self.alice) { told.alice.add($0) },
            watchers.watch(.all, as: Self.bob) { told.bob.add($0) },
        ]
        let more = try Self.catalog()
        board.publish(
            try more.with(
                "press",
                .tools("stamp", "forbidden", "get_state", "put", "pay", "bend") + .resources("file:///a")))
        watchers.snapshotChanged()
        #expect(told.alice.values == [.tools] && told.bob.values.isEmpty)
        board.publish(try more.with("desk", on: .there, .tools("echo", "get_paper", "get_ink")))
        watchers.snapshotChanged()
        #expect(told.alice.values == [.tools, .tools] && told.bob.values == [.tools])
        for token in tokens { token.cancel() }
    }

    @Test func `what only looks like another entry, or another caller, is not taken for it`() throws {
        let access = try Self.desk(
            """
            access:
              rules:
                - {name: all, allow: all, who: ["*"]}
                - {name: keys, deny: [read], who: ["*"], entries: ["file:///KEYS"]}
                - {name: kim, deny: all, who: ["key:Kim"]}
            """, board)
        let press = ServerKey(owner: .here, name: "press")
        func mayRead(_ uri: String, _ principal: Principal) -> Bool {
            access.decide(
                .read, access.target(of: press, .resource, uri, through: nil), by: access.subject(principal),
                arguments: .emptyObject
            ).isAllowed
        }
        // U+212A is the sign for kelvin, and canonically a K: whoever asks with it first must open nothing.
        #expect(mayRead("file:///\u{212A}EYS", Self.alice))
        #expect(!mayRead("file:///KEYS", Self.alice))
        let (kim, sign) = ("Kim", "\u{212A}im")
        #expect(mayRead("file:///a", Principal(Caller(issuer: "key", subject: sign))))
        #expect(!mayRead("file:///a", Principal(Caller(issuer: "key", subject: kim))))
        #expect(Caller(issuer: "key", subject: sign) != Caller(issuer: "key", subject: kim))
    }

    @Test func `a search finds nothing that may not be seen`() async throws {
        let search = ToolSearchDesk(board: board, access: access, now: { .zero })
        func found(_ principal: Principal) async throws -> [String] {
            let (events, continuation) = AsyncStream<CallEvent>.makeStream()
            _ = search.answer(
                EndpointCall(
                    endpoint: .all, principal: principal, method: Method.toolsCall,
                    params: ["name": "search_tools", "arguments": ["query": ""]], client: ClientFacts())
            ) {
                continuation.yield($0)
                continuation.finish()
            }
            for await case .result(let result) in events {
                return (result["structuredContent"]?["tools"]?.elements ?? []).compactMap {
                    $0["name"]?.string
                }
            }
            return []
        }
        let bobs = try await found(Self.bob)
        #expect(bobs == tools(Self.bob))
        #expect(try await found(Self.alice) == tools(Self.alice))
    }

    @Test func `a key that was made for some entries shows those, without any rule`() throws {
        let free = AccessDesk(board: board)
        let narrowed = Principal(
            Caller(issuer: "key", subject: "x"), narrowing: CredentialNarrowing(entries: ["press/get_*"]))
        #expect(free.view(.all, for: narrowed)?.list(.tool).map(\.name) == ["press__get_state"])
        #expect(free.view(.server("there--desk"), for: narrowed) == nil)
        let placed = Principal(
            Caller(issuer: "key", subject: "y"), narrowing: CredentialNarrowing(virtualServers: ["open"]))
        #expect(free.view(.all, for: placed) == nil && free.view(.server("press"), for: placed) == nil)
        #expect(free.view(.server("open"), for: placed)?.list(.tool).isEmpty == false)
    }

    @Test func `without rules everybody sees the very same view`() throws {
        let free = AccessDesk(board: board)
        let whole = try #require(board.made(.all))
        #expect(free.made(.all, for: Self.nobody)?.number == whole.number)
    }
}
