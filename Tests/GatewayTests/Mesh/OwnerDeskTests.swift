import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Mesh
import Testing

@testable import Gateway
@testable import MeshTransport

struct OwnerDeskTests {
    private let local = LocalServers()
    private let entries: [Entry]

    init() throws {
        entries = try .tools("stamp") + .resources("file:///a")
        for name in ["press", "diary"] as [Label] {
            local.put(name, StillBackend.make(name.text), concurrency: 1)
            local.put(
                Manifest(entries: entries, instructions: nil, capabilities: [:], serverInfo: [:]), of: name)
        }
    }

    private func serve(
        _ server: Label, _ method: String = Method.toolsCall, _ params: JSON = ["name": "stamp"],
        seen: CallHeader.SeenEntry? = nil, from node: NodeID = .there
    ) -> Heard {
        let desk = OwnerDesk(
            local: local, label: { "here" },
            isShared: { server, node in server == "press" && node == .there },
            access: AccessDesk(board: CatalogBoard(me: .here, nameLengthMax: 50)))
        let heard = Heard()
        _ = desk.serve(
            IncomingMeshCall(
                server: server,
                request: CallRequest(
                    id: CallID(high: 1, low: 2), method: method, params: params, client: ClientFacts(),
                    caller: Caller(issuer: "key", subject: "agent"),
                    timeLeft: .seconds(5)),
                entry: seen, principal: .node(node)), heard.sink)
        return heard
    }

    @Test func `a server that is not shared is one that does not exist`() {
        let (hidden, missing) = (serve("diary").failure, serve("nobody").failure)
        #expect(hidden?.reason == .unknownEntry)
        #expect(hidden?.node == "here")
        #expect(hidden?.callID == CallID(high: 1, low: 2))
        #expect(hidden?.detail.replacing("diary", with: "nobody") == missing?.detail)
        #expect(hidden?.hint == missing?.hint)
        #expect(hidden?.isUnsent == true && missing?.isUnsent == true, "nothing of it ran")
    }

    @Test func `a server that is for some does not exist for a node outside of them`() {
        let stranger = NodeID(high: 1, low: 1)
        let (hidden, missing) = (serve("press", from: stranger).failure, serve("nobody").failure)
        #expect(hidden?.reason == .unknownEntry)
        #expect(hidden?.detail.replacing("press", with: "nobody") == missing?.detail)
        #expect(hidden?.hint == missing?.hint)
        #expect(serve("press").failure?.reason != .unknownEntry, "it is for this one")
    }

    @Test(arguments: [Method.initialize, Method.toolsList, Method.loggingSetLevel, Method.tasksList, "x/y"])
    func `what no caller asks for does not reach the backend`(method: String) {
        let heard = serve("press", method, .emptyObject)
        #expect(heard.failure?.reason == .denied)
        #expect(heard.failure?.node == "here")
        #expect(heard.failure?.callID == CallID(high: 1, low: 2))
    }

    @Test(
        arguments: [
            (Method.toolsCall, "{}"), (Method.toolsCall, #"{"name":7}"#),
            (Method.promptsGet, #"{"name":null}"#), (Method.resourcesRead, #"{"uri":["file:///a"]}"#),
            (Method.resourcesRead, #"{"name":"stamp"}"#),
        ])
    func `a call of what cannot be read passes no limit and no record by`(method: String, params: String)
        throws
    {
        let failure = serve("press", method, try JSON(validating: params)).failure
        #expect(failure?.reason == .invalidArguments && failure?.isUnsent == true)
        #expect(failure?.node == "here" && failure?.callID == CallID(high: 1, low: 2))
    }

    @Test func `a definition other than the one the caller saw is not called`() throws {
        let other = try [Entry].tools("stamp", description: "and now something else")
        let seen = CallHeader.SeenEntry(kind: .tool, hash: try #require(other.first).hash)
        let heard = serve("press", seen: seen)
        #expect(heard.failure?.reason == .notConfirmed)
        #expect(heard.failure?.node == "here")
        #expect(heard.failure?.callID == CallID(high: 1, low: 2))
    }

    @Test func `an entry that is listed no more is not called`() throws {
        let seen = CallHeader.SeenEntry(kind: .tool, hash: try #require(entries.first).hash)
        #expect(
            serve("press", Method.toolsCall, ["name": "gone"], seen: seen).failure?.reason == .notConfirmed)
    }

    @Test func `what the caller saw and what is listed being the same, the backend is asked`() throws {
        let tool = CallHeader.SeenEntry(kind: .tool, hash: try #require(entries.first).hash)
        #expect(serve("press", seen: tool).failure?.reason == .backendUnavailable)
        let resource = CallHeader.SeenEntry(kind: .resource, hash: try #require(entries.last).hash)
        let read = serve("press", Method.resourcesRead, ["uri": "file:///a"], seen: resource)
        #expect(read.failure?.reason == .backendUnavailable)
    }

    @Test func `a resource that stands in no list is the backend's to know`() {
        let heard = serve("press", Method.resourcesRead, ["uri": "file:///b"])
        #expect(heard.failure?.reason == .backendUnavailable)
    }
}

/// For which calls of other nodes nothing is decided beforehand (docs/decisions/0040-the-short-way-over-a-hop.md).
struct OwnerPassTests {
    private let local = LocalServers()
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)

    init() throws {
        local.put("press", StillBackend.make("press"), concurrency: 1)
        local.put(
            Manifest(entries: try .tools("stamp"), instructions: nil, capabilities: [:], serverInfo: [:]),
            of: "press")
    }

    private func call() throws -> IncomingMeshCall {
        IncomingMeshCall(
            server: "press",
            request: CallRequest(
                id: CallID(high: 1, low: 2), method: Method.toolsCall,
                params: ["name": "stamp", "arguments": ["amount": 1]], client: ClientFacts(),
                caller: Caller(issuer: "key", subject: "bob"), timeLeft: .seconds(5)),
            entry: CallHeader.SeenEntry(kind: .tool, hash: try #require([Entry].tools("stamp").first).hash),
            principal: WirePrincipal(issuer: "key", subject: "bob", entryNode: .there))
    }

    @Test func `a server without a connection has none to give`() throws {
        let desk = OwnerDesk(
            local: local, label: { "here" }, isShared: { _, _ in true }, access: AccessDesk(board: board))
        #expect(desk.pass(try call()) == nil)
    }

    @Test func `where arguments decide, what may be done is not settled`() throws {
        let rules = """
            access:
              rules:
                - {name: bob, allow: [call], who: ["key:bob"], entries: [stamp], when: {argument: /amount, below: 100}}
            """
        let access = try AccessDeskTests.desk(rules, board)
        #expect(access.standingView(of: try call(), .tool, "stamp") == nil)
        let open = AccessDesk(board: board)
        let view = try #require(open.standingView(of: try call(), .tool, "stamp"))
        #expect(view.decision == .open && view.isSeen)
    }

    @Test func `another list of what a server offers is the end of every pass`() throws {
        let before = local.version
        local.put(
            Manifest(entries: try .tools("press"), instructions: nil, capabilities: [:], serverInfo: [:]),
            of: "press")
        #expect(local.version > before)
    }
}
