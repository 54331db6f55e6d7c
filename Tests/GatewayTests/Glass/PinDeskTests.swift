import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Policy
import Testing

@testable import Gateway
@testable import Storage

struct PinDeskTests {
    private let scratch = Scratch()
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)

    private func desk(_ database: NodeDatabase, _ glass: Glass? = nil) async throws -> PinDesk {
        try await PinDesk(
            shelf: PinShelf(database), board: board, glass: glass ?? Glass(board: board), log: .silent)
    }

    private func definition(_ approve: ApprovalPolicy = .pinned) -> ServerDefinition {
        ServerDefinition(
            name: "bank", transport: .stdio(command: "x", arguments: [], environment: [], directory: nil),
            approve: approve)
    }

    private func offer(_ description: String, name: String = "pay") throws -> Manifest {
        let entry = try Entry(
            kind: .tool, definition: ["name": .string(name), "description": .string(description)]
        ).orFail()
        return Manifest(
            entries: [entry], instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject)
    }

    private func call(_ name: String) -> CallRequest {
        CallRequest(
            id: .random(), method: Method.toolsCall, params: ["name": .string(name)], client: ClientFacts(),
            caller: .anonymous, timeLeft: .seconds(1))
    }

    @Test func `what was pinned holds after a restart`() async throws {
        let (_, database) = try scratch.start()
        let first = try offer("Pays.")
        let before = try await desk(database)
        #expect(await before.judge(definition(), first) == first)
        let glass = Glass(board: board)
        let again = try await desk(database, glass)
        let listing = try await again.judge(definition(), offer("Steals.")).orFail()
        #expect(listing.entries == first.entries && listing.pending.count == 1)
        #expect(glass.objection(to: call("pay"), atOwn: "bank")?.reason == .pendingApproval)

        let waiting = await again.waiting
        #expect(waiting.map(\.key.text) == ["pay"])
        let pin = Pin(of: try #require(waiting.first?.pinned.pending))
        #expect(try await again.approve(waiting.map(\.key), of: "bank", pin: pin).count == 1)
        #expect(await again.judgeAgain("bank")?.pending.isEmpty == true)
        #expect(glass.objection(to: call("pay"), atOwn: "bank") == nil)
        let third = try await desk(database)
        let stolen = try offer("Steals.")
        #expect(await third.judge(definition(), stolen) == stolen)
    }

    @Test func `a damaged row is approved by nobody, and is not seen for the first time`() async throws {
        let (_, database) = try scratch.start()
        try await PinShelf(database).save([
            StoredPin(
                server: "bank", kind: .tool, name: Array("pay".utf8), approved: [1, 2, 3], ground: 9,
                granted: nil,
                pending: nil, since: 0, likeness: nil)
        ])
        let listing = try await desk(database).judge(definition(), offer("Pays.")).orFail()
        #expect(listing.entries.isEmpty && listing.pending.count == 1)
    }

    @Test func `a newcomer named like another's entry waits`() async throws {
        let (_, database) = try scratch.start()
        board.publish(try CatalogSnapshot.sample().with("erp", on: .there, .tools("get_salary")))
        let desk = try await desk(database)
        let listing = try await desk.judge(definition(), offer("Gets.", name: "get_s\u{430}lary")).orFail()
        #expect(listing.entries.isEmpty && listing.pending.count == 1)
        #expect(await desk.waiting.first?.pinned.likeness == "there--erp/get_salary")
        // The same name is one that many have.
        let same = try await desk.judge(definition(), offer("Gets.", name: "get_salary")).orFail()
        #expect(same.pending.isEmpty)
    }

    @Test func `a name that no text column holds stops nobody's judging`() async throws {
        let (_, database) = try scratch.start()
        let long = "get\u{0}salary" + String(repeating: "y", count: 600)
        board.publish(try CatalogSnapshot.sample().with("erp", on: .there, .tools(long)))
        let desk = try await desk(database)
        let name = long.replacing("salary", with: "s\u{430}lary")
        let listing = try await desk.judge(definition(), offer("Gets.", name: name)).orFail()
        #expect(listing.entries.isEmpty && listing.pending.count == 1)
        let likeness = try #require(await desk.waiting.first?.pinned.likeness)
        #expect(likeness.hasPrefix("there--erp/get⟨U+0000⟩salary") && likeness.utf8.count < 300)
        #expect(await desk.troubles.isEmpty)
    }

    @Test func `what cannot be stored is refused all the same, and what is new waits until it can`()
        async throws
    {
        let (_, database) = try scratch.start()
        let glass = Glass(board: board)
        let desk = try await desk(database, glass)
        _ = try await desk.judge(definition(), offer("Pays."))
        try await database.write {
            try $0.execute(
                sql: """
                    CREATE TRIGGER full BEFORE INSERT ON pin BEGIN SELECT RAISE(ABORT, 'no room'); END
                    """)
        }
        let both = try Manifest(
            entries: offer("Steals.").entries + offer("Sends.", name: "send").entries, instructions: nil,
            capabilities: .emptyObject, serverInfo: .emptyObject)
        let listing = try #require(await desk.judge(definition(), both))
        #expect(try listing.entries == offer("Pays.").entries && listing.pending.count == 2)
        #expect(await desk.troubles["bank"] != nil)
        for name in ["pay", "send"] {
            #expect(glass.objection(to: call(name), atOwn: "bank")?.reason == .pendingApproval, "\(name)")
        }
        try await database.write { try $0.execute(sql: "DROP TRIGGER full") }
        #expect(await desk.judgeAgain("bank")?.entries.count == 2)
        #expect(await desk.troubles.isEmpty)
        #expect(glass.objection(to: call("pay"), atOwn: "bank")?.reason == .pendingApproval)
        #expect(glass.objection(to: call("send"), atOwn: "bank") == nil)
    }

    @Test(arguments: 0..<10)
    func `whatever is judged and approved at once, the disk has what memory has`(round: Int) async throws {
        let (_, database) = try scratch.start()
        let desk = try await desk(database)
        _ = await desk.judge(definition(), try offer("Pays."))
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                group.addTask {
                    guard let offer = try? offer("Pays \(number).") else { return }
                    _ = await desk.judge(definition(), offer)
                }
                group.addTask {
                    let keys = await desk.waiting.map(\.key)
                    _ = try? await desk.approve(keys, of: "bank", pin: nil)
                }
            }
        }
        let again = try await self.desk(database)
        func told(_ desk: PinDesk) async -> [String] {
            await desk.waiting.map { "\($0.key.text) \($0.pinned)" }
        }
        #expect(await told(again) == told(desk))
        // What is approved, too: the same offer is judged alike by both.
        let last = try offer("Pays at last.")
        #expect(await again.judge(definition(), last) == desk.judge(definition(), last))
    }

    @Test func `what is forgotten with its server is seen for the first time again`() async throws {
        let (_, database) = try scratch.start()
        let desk = try await desk(database)
        _ = try await desk.judge(definition(), offer("Pays."))
        await desk.forget("bank")
        #expect(try await desk.judge(definition(), offer("Other."))?.pending.isEmpty == true)
        #expect(try await PinShelf(database).all().count == 1)
    }

    @Test func `a call is refused for a hold on its entry, its server or its node, and names who holds it`()
        throws
    {
        let glass = Glass(board: board)
        let server = ServerKey(owner: .there, name: "erp")
        let address = EntryAddress(server: server, kind: .tool, name: "get")
        for target in [StatementTarget.of(address), .server(server), .node(.there)] {
            var snapshot = try CatalogSnapshot.sample().with("erp", on: .there, .tools("get", "set"))
            snapshot.holds = Holds([
                Hold(target: target, signer: .there, reach: .mesh, reason: "leaks", at: 0)
            ])
            board.publish(snapshot)
            let failure = try glass.objection(to: call("get"), at: server).orFail()
            #expect(failure.reason == .quarantined && failure.isUnsent)
            #expect(failure.rule == "quarantined", "for the record of the call")
            #expect(failure.detail.contains("operator there") && failure.detail.contains("leaks"))
            #expect((glass.objection(to: call("set"), at: server) == nil) == (target == .of(address)))
            var cancel = call("get")
            cancel.method = Method.tasksCancel
            #expect(glass.objection(to: cancel, at: server) == nil, "what runs may be ended")
            // Agents are not shown it, and its name stays its own.
            let view = try board.view(.all).orFail()
            #expect(!view.shown(.tool).contains { $0.binding.entry == "get" })
            #expect(view.entry(.tool, named: "there--erp__get")?.isHeld == true)
        }
    }

    private func template(_ uri: String) throws -> Entry {
        try Entry(
            kind: .resourceTemplate, definition: ["name": "rows", "uriTemplate": .string(uri)]
        ).orFail()
    }

    private func read(_ uri: String) -> CallRequest {
        CallRequest(
            id: .random(), method: Method.resourcesRead, params: ["uri": .string(uri)], client: ClientFacts(),
            caller: .anonymous, timeLeft: .seconds(1))
    }

    @Test(arguments: [ApprovalPolicy.pinned, .manual])
    func
        `what a template that waits may mean is not read, and under manual nothing that no approved one means`(
            policy: ApprovalPolicy
        ) throws
    {
        let glass = Glass(board: board)
        let listing = try Manifest(
            entries: [template("db://old/{row}")] + .resources("db://new/listed"),
            pending: [template("db://new/{row}")],
            instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject)
        glass.put(GlassPane("bank", under: policy, listing: listing), of: "bank")
        let reason = { (uri: String) in glass.objection(to: read(uri), atOwn: "bank")?.reason }
        #expect(reason("db://new/1") == .pendingApproval)
        #expect(reason("db://old/1") == nil && reason("db://new/listed") == nil)
        #expect(reason("file:///else") == (policy == .manual ? .pendingApproval : nil))
    }

    @Test func `with a template all is held that it may mean, but what is listed by its own name`() throws {
        let glass = Glass(board: board)
        let server = ServerKey(owner: .there, name: "erp")
        let long = "db://\(String(repeating: "x", count: 9_000))/{row}"
        for text in ["db://new/{row}", long] {
            var snapshot = try CatalogSnapshot.sample().with(
                "erp", on: .there, [template(text)] + .resources("db://new/listed"))
            let address = EntryAddress(server: server, kind: .resourceTemplate, name: text)
            snapshot.holds = Holds([
                Hold(target: .of(address), signer: .there, reach: .mesh, reason: "leaks", at: 0)
            ])
            board.publish(snapshot)
            let uri = text.replacing("{row}", with: "1")
            #expect(glass.objection(to: read(uri), at: server)?.reason == .quarantined)
            #expect(glass.objection(to: read("db://new/listed"), at: server) == nil)
            #expect(glass.objection(to: read("db://other/1"), at: server) == nil)
        }
    }

    @Test func `targets are named as people write them`() throws {
        var snapshot = try CatalogSnapshot.sample().with("erp", on: .there, .tools("get"))
            .with("files", .tools("read"))
        snapshot.holds = Holds([
            Hold(
                target: .of(
                    EntryAddress(server: ServerKey(owner: .here, name: "gone"), kind: .tool, name: "x")),
                signer: .here, reach: .here, reason: "", at: 0)
        ])
        board.publish(snapshot)
        let fresh = EntryAddress(
            server: ServerKey(owner: .here, name: "files"), kind: .tool, name: "fresh/one")
        let lookup = TargetLookup(
            snapshot: board.snapshot, nodes: .init(board.snapshot), view: board.view(.all), nameLengthMax: 50,
            waiting: [fresh])
        let erp = ServerKey(owner: .there, name: "erp")
        let get = StatementTarget.of(EntryAddress(server: erp, kind: .tool, name: "get"))
        for (text, target) in [
            ("there--erp/get", get), ("there--erp__get", get), ("there--erp", .server(erp)),
            ("node:there", .node(.there)),
            ("there", .node(.there)), ("files", .server(fresh.server)), ("files/fresh/one", .of(fresh)),
            ("gone/x", snapshot.holds.all[0].target),
        ] {
            #expect(try lookup.targets(text) == [target], "\(text)")
        }
        for text in ["nothing", "there--erp/other", "node:nobody", "erp"] {
            #expect(throws: Refusal.self, "\(text)") { try lookup.targets(text) }
        }
    }
}
