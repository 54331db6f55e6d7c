import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Storage
import Testing

@testable import Gateway

@Suite(.timeLimit(.minutes(1)))
struct VirtualServersTests {
    private let scratch = Scratch()
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let assembly: CatalogAssembly

    init() throws {
        assembly = CatalogAssembly(board: board, watchers: Watchers(access: AccessDesk(board: board)))
        assembly.meshChanged(try CatalogSnapshot.sample().with("press", .tools("stamp", "fold")))
    }

    private func servers(
        _ shelf: VirtualShelf, published: ConfiguredVirtualShelf? = nil, isOperator: Bool = true,
        configured: String? = nil,
        publish: (@Sendable (VirtualServerRecord) async throws -> Void)? = nil
    ) throws -> VirtualServers {
        let (assembly, board) = (assembly, board)
        return VirtualServers(
            board: board, assembly: assembly, shelf: shelf,
            published: try published ?? ConfiguredVirtualShelf(Scratch().start().database),
            configured: try configured.map { try ConfigurationFile.virtualServers($0, file: "martlet.yaml") }
                ?? [],
            configFile: "martlet.yaml",
            nameLengthMax: 50,
            actions: VirtualServers.Actions(
                publish: publish ?? { record in
                    // As the mesh does: what is published comes back as knowledge.
                    var snapshot = board.snapshot
                    snapshot.say(record)
                    assembly.meshChanged(snapshot)
                },
                withdraw: { name in
                    var snapshot = board.snapshot
                    snapshot.virtualServers[name] = nil
                    snapshot.virtualWords[name] = nil
                    assembly.meshChanged(snapshot)
                }, isOperator: { isOperator }))
    }

    private let yaml = "virtualServers: {ops: {use: [{tool: press/stamp, as: seal}]}}"

    @Test(arguments: [true, false])
    func `a definition is shown, kept over a restart, and told to the mesh where the role allows`(
        isOperator: Bool
    ) async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let applied = try await servers(shelf, isOperator: isOperator).apply(yaml: yaml, source: "test")
        #expect(applied.map(\.outcome) == ["defined"])
        #expect((applied.first?.note == nil) == isOperator)
        #expect(board.view(.server("ops"))?.list(.tool).map(\.name) == ["seal"])
        #expect(assembly.keepsVirtualServer("ops") == !isOperator)
        #expect(try await shelf.all().map(\.name) == ["ops"])

        assembly.forgetVirtualServer("ops")
        assembly.meshChanged(try CatalogSnapshot.sample().with("press", .tools("stamp")))
        #expect(board.view(.server("ops")) == nil)
        try await servers(shelf, isOperator: isOperator).restore()
        #expect(board.view(.server("ops"))?.list(.tool).map(\.name) == ["seal"])
    }

    @Test func `the same again is unchanged, another replaces it with a higher count`() async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf)
        _ = try await servers.apply(yaml: yaml, source: "test")
        #expect(try await servers.apply(yaml: yaml, source: "test").map(\.outcome) == ["unchanged"])
        let other = "virtualServers: {ops: {use: [{from: press}]}}"
        #expect(try await servers.apply(yaml: other, source: "test").map(\.outcome) == ["changed"])
        #expect(try await shelf.all().map(\.counter) == [2])
        #expect(board.view(.server("ops"))?.list(.tool).count == 2)
    }

    @Test func `a file with one mistake changes nothing`() async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf)
        let refusal = await #expect(throws: Refusal.self) {
            try await servers.apply(
                yaml: "virtualServers: {ops: {use: [{from: press}]}, bad: {use: [{from: prss}]}}",
                source: "test")
        }
        #expect(refusal?.message.contains("bad:") == true && refusal?.message.contains("press") == true)
        #expect(board.snapshot.virtualServers.isEmpty)
        #expect(try await shelf.all().isEmpty)
    }

    @Test func `what the mesh refuses is not stored`() async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf) { _ in throw Refusal(.conflict, "the mesh does not take it") }
        await #expect(throws: Refusal.self) { try await servers.apply(yaml: yaml, source: "test") }
        #expect(try await shelf.all().isEmpty)
    }

    @Test func `what the configuration defines is changed only there`() async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf, isOperator: false, configured: yaml)
        try await servers.restore()
        let refusal = await #expect(throws: Refusal.self) {
            try await servers.apply(yaml: "virtualServers: {ops: {use: [{from: press}]}}", source: "test")
        }
        #expect(refusal?.message.contains("martlet.yaml") == true)
        #expect(board.view(.server("ops"))?.list(.tool).map(\.name) == ["seal"])
        #expect(try await shelf.all().isEmpty)
    }

    @Test func `the name of a server of this node is taken`() async throws {
        let servers = try servers(VirtualShelf(try scratch.start().database))
        let refusal = await #expect(throws: Refusal.self) {
            try await servers.apply(yaml: "virtualServers: {press: {use: [{from: press}]}}", source: "test")
        }
        #expect(refusal?.message.contains("/servers/press/mcp") == true)
    }

    @Test func `a restart does not bring back what was changed or removed elsewhere meanwhile`() async throws
    {
        let shelf = VirtualShelf(try scratch.start().database)
        _ = try await servers(shelf).apply(yaml: yaml, source: "test")
        let theirs: JSON = ["use": [["from": .string("\(NodeID.here)/press")]]]
        var snapshot = board.snapshot
        snapshot.say(VirtualServerRecord(name: "ops", author: .there, counter: 2, definition: theirs))
        assembly.meshChanged(snapshot)
        try await servers(shelf).restore()
        #expect(board.snapshot.virtualServers["ops"]?.author == .there)

        snapshot.virtualServers["ops"] = nil
        snapshot.virtualWords["ops"] = [
            VirtualServerWord(name: "ops", author: .there, counter: 3, definition: nil)
        ]
        assembly.meshChanged(snapshot)
        try await servers(shelf).restore()
        #expect(board.snapshot.virtualServers["ops"] == nil)
    }

    @Test func `a file is published anew only when it changed, and withdrawn when it says no more`()
        async throws
    {
        let database = try scratch.start().database
        let (shelf, published) = (VirtualShelf(database), ConfiguredVirtualShelf(database))
        try await servers(shelf, published: published, configured: yaml).restore()
        #expect(board.snapshot.virtualServers["ops"]?.isConfigured == true)

        // As after a partition, in which an operator who had not heard of it said something else.
        var snapshot = board.snapshot
        let theirs: JSON = ["use": [["from": .string("\(NodeID.here)/press")]]]
        snapshot.say(VirtualServerRecord(name: "ops", author: .there, counter: 7, definition: theirs))
        assembly.meshChanged(snapshot)
        let again = try servers(shelf, published: published, configured: yaml)
        try await again.restore()
        #expect(board.snapshot.virtualServers["ops"]?.author == .there)
        #expect(await again.waiting["ops"]?.contains("an operator said something else") == true)

        let changed = "virtualServers: {ops: {use: [{tool: press/fold}]}}"
        try await servers(shelf, published: published, configured: changed).restore()
        #expect(board.snapshot.virtualServers["ops"]?.author == .here)
        #expect(board.snapshot.virtualServers["ops"]?.counter == 8)

        try await servers(shelf, published: published).restore()
        #expect(board.snapshot.virtualServers["ops"] == nil)
        #expect(try await published.all().isEmpty)
    }

    @Test func `without the role a file is taken up at every start, and after a change of mesh`() async throws
    {
        let database = try scratch.start().database
        let (shelf, published) = (VirtualShelf(database), ConfiguredVirtualShelf(database))
        let servers = try servers(shelf, published: published, isOperator: false, configured: yaml)
        try await servers.restore()
        #expect(assembly.keepsVirtualServer("ops"))
        #expect(try await published.all().isEmpty, "nothing was said to the mesh")
        try await published.save("ops", ContentHash(of: [1]))
        try await servers.restoreAfterMeshChange()
        #expect(assembly.keepsVirtualServer("ops"))
        #expect(try await published.all().isEmpty)
    }

    @Test func `what another node's file defines is read-only here`() async throws {
        var snapshot = board.snapshot
        snapshot.say(
            VirtualServerRecord(
                name: "ops", author: .there, counter: 1, isConfigured: true,
                definition: ["use": [["from": .string("\(NodeID.here)/press")]]]))
        assembly.meshChanged(snapshot)
        let servers = try servers(VirtualShelf(try scratch.start().database))
        let refusal = await #expect(throws: Refusal.self) {
            try await servers.apply(yaml: yaml, source: "test")
        }
        #expect(refusal?.message.contains("configuration of there, and read-only elsewhere") == true)
        await #expect(throws: Refusal.self) { try await servers.remove("ops") }
        await #expect(throws: Refusal.self) { try await servers.rollBack("ops", to: ["use": []]) }
    }

    @Test func `an earlier definition is taken up again as a new one`() async throws {
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf)
        _ = try await servers.apply(yaml: yaml, source: "test")
        let first = try #require(board.snapshot.virtualServers["ops"]?.definition)
        _ = try await servers.apply(yaml: "virtualServers: {ops: {use: [{from: press}]}}", source: "test")
        #expect(try await servers.rollBack("ops", to: first).outcome == "changed")
        #expect(board.snapshot.virtualServers["ops"]?.definition == first)
        #expect(board.snapshot.virtualServers["ops"]?.counter == 3)
        await #expect(throws: Refusal.self) { try await servers.rollBack("ops", to: ["use": 7]) }
    }

    @Test func `without the role what another node defined is removed there`() async throws {
        assembly.meshChanged(
            board.snapshot.with(
                virtual: "theirs", ["use": [["from": .string("\(NodeID.here)/press")]]], by: .there))
        let shelf = VirtualShelf(try scratch.start().database)
        let servers = try servers(shelf)
        let without = try self.servers(shelf, isOperator: false)
        let refusal = await #expect(throws: Refusal.self) { try await without.remove("theirs") }
        #expect(refusal?.kind == .forbidden)
        try await servers.remove("theirs")
        #expect(board.view(.server("theirs")) == nil)
        let missing = await #expect(throws: Refusal.self) { try await servers.remove("nobody") }
        #expect(missing?.kind == .notFound)
        _ = try await servers.apply(yaml: yaml, source: "test")
        try await servers.remove("ops")
        #expect(board.view(.server("ops")) == nil)
        #expect(try await shelf.all().isEmpty)
    }
}
