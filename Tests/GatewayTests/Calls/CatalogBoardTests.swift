import Catalog
import Composition
import JSONSlice
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway

struct CatalogBoardTests {
    private func board(_ snapshot: CatalogSnapshot) -> CatalogBoard {
        let board = CatalogBoard(me: .here, nameLengthMax: 50)
        board.publish(snapshot)
        return board
    }

    private static let composed: JSON = ["use": [["from": .string("\(NodeID.here)/press")]]]

    @Test(
        arguments: [
            ("press", "own"), ("there--desk", "far"), ("ops", "virtual"), ("here--press", "own"),
            ("\(NodeID.there)--desk", "far"),
            ("desk", nil), ("here--desk", nil), ("nowhere--desk", nil), ("there--ops", nil), ("", nil),
            ("--", nil),
            ("there--", nil), ("a/b", nil), ("PRESS", nil),
        ] as [(String, String?)])
    func `one namespace leads to own servers, others' servers and virtual ones`(
        name: String, expected: String?
    ) throws {
        let board = board(
            try CatalogSnapshot.sample().with("press", .tools("own")).with("desk", on: .there, .tools("far"))
                .with(virtual: "ops", Self.composed))
        let view = board.view(.server(name))
        let kind: String? =
            switch view?.endpoint {
            case .oneServer(let key)?: key.owner == .here ? "own" : "far"
            case .virtual?: "virtual"
            case .all?: "all"
            case nil: nil
            }
        #expect(kind == expected)
    }

    @Test func `the node's own server keeps a name that a virtual one has taken as well`() throws {
        let board = board(
            try CatalogSnapshot.sample().with("press", .tools("own")).with(virtual: "press", Self.composed))
        #expect(
            board.view(.server("press"))?.endpoint == .oneServer(ServerKey(owner: .here, name: "press")))
    }

    @Test func `a view is kept over changes that do not concern it, and made again after those that do`()
        throws
    {
        let first = try CatalogSnapshot.sample().with("press", .tools("stamp")).with(
            "desk", on: .there, .tools("a"))
        let board = board(first)
        let before = try #require(board.view(.server("press")))
        board.publish(try first.with("desk", on: .there, .tools("a", "b")))
        #expect(try #require(board.view(.server("press"))).isSameStorage(as: before))
        #expect(board.view(.all)?.list(.tool).count == 3)
        board.publish(try first.with("press", .tools("stamp", "emboss")))
        let after = try #require(board.view(.server("press")))
        #expect(!after.isSameStorage(as: before))
        #expect(after.list(.tool).map(\.name) == ["stamp", "emboss"])
    }

    @Test func `the health of a server changes no view`() throws {
        let up = try CatalogSnapshot.sample().with("press", .tools("stamp"))
        let board = board(up)
        let before = try #require(board.view(.all))
        board.publish(try up.with("press", .tools("stamp"), state: .down))
        #expect(try #require(board.view(.all)).isSameStorage(as: before))
    }

    @Test func `what is gone has no view any more`() throws {
        let board = board(try CatalogSnapshot.sample().with("press", .tools("stamp")))
        #expect(board.view(.server("press")) != nil)
        board.publish(.sample())
        #expect(board.view(.server("press")) == nil)
        #expect(board.view(.all)?.list(.tool).isEmpty == true)
    }
}

struct CatalogAssemblyTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private var assembly: CatalogAssembly {
        CatalogAssembly(board: board, watchers: Watchers(access: AccessDesk(board: board)))
    }

    @Test func `a server that stays on this node is shown here and shared with nobody`() throws {
        let assembly = assembly
        let own = CatalogSnapshot.KnownServer.sample("diary", try .tools("read"))
        assembly.meshChanged(try CatalogSnapshot.sample().with("press", .tools("stamp")))
        assembly.share("press", with: .everyone)
        assembly.keep(own.record, own.manifest)
        #expect(board.view(.all)?.list(.tool).map(\.name) == ["diary__read", "press__stamp"])
        #expect(!assembly.isShared("diary", with: .there))
        #expect(assembly.isShared("press", with: .there))
        assembly.forgetServer("diary")
        #expect(board.view(.all)?.list(.tool).map(\.name) == ["press__stamp"])
    }

    @Test func `nothing is shared that was not marked so, nor what the mesh shall hear of no longer`() throws
    {
        let assembly = assembly
        assembly.meshChanged(
            try CatalogSnapshot.sample().with("desk", on: .there, .tools("a")).with("press", .tools("stamp")))
        #expect(
            !assembly.isShared("press", with: .there),
            "the mesh knows it from an earlier start, when it was shared")
        #expect(!assembly.isShared("desk", with: .there), "another node's")
        assembly.share("press", with: .everyone)
        #expect(assembly.isShared("press", with: .there))
        let kept = CatalogSnapshot.KnownServer.sample("press", try .tools("stamp"))
        assembly.keep(kept.record, kept.manifest)
        #expect(!assembly.isShared("press", with: .there), "about to be withdrawn")
        assembly.share("press", with: .everyone)
        assembly.forgetServer("press")
        #expect(!assembly.isShared("press", with: .there), "removed")
    }

    @Test func `a server that is for some is shared with those of them that are known`() throws {
        let assembly = assembly
        assembly.meshChanged(try CatalogSnapshot.sample().with("press", .tools("stamp")))
        let there = try #require(board.snapshot.nodes[.there])
        for (scope, isFor) in [
            (ServerScope(nodes: [there.label]), true), (ServerScope(segments: [there.segment]), true),
            (ServerScope(segments: ["elsewhere"], nodes: ["nobody"]), false),
        ] {
            assembly.share("press", with: .only(scope))
            #expect(assembly.isShared("press", with: .there) == isFor)
            #expect(!assembly.isShared("press", with: NodeID(high: 1, low: 1)), "unknown here")
        }
    }

    @Test func `what is kept here outlasts every change of the mesh`() throws {
        let assembly = assembly
        let own = CatalogSnapshot.KnownServer.sample("diary", try .tools("read"))
        assembly.keep(own.record, own.manifest)
        assembly.keep(
            VirtualServerRecord(
                name: "ops", author: .here, counter: 1,
                definition: ["use": [["from": .string("\(NodeID.here)/diary")]]]))
        #expect(assembly.keepsVirtualServer("ops"))
        for count in 1...3 {
            assembly.meshChanged(
                try CatalogSnapshot.sample().with("desk\(count)".label, on: .there, .tools("a")))
            #expect(board.view(.server("diary"))?.list(.tool).map(\.name) == ["read"])
            #expect(board.view(.server("ops"))?.list(.tool).map(\.name) == ["read"])
        }
        assembly.forgetVirtualServer("ops")
        #expect(board.view(.server("ops")) == nil)
    }
}

extension EndpointView {
    /// Whether both are the same computation, not only equal ones.
    fileprivate func isSameStorage(as other: EndpointView) -> Bool {
        list(.tool).withUnsafeBufferPointer(\.baseAddress)
            == other.list(.tool).withUnsafeBufferPointer(\.baseAddress)
    }
}

extension String {
    fileprivate var label: Label { Label(self) ?? "invalid" }
}
