import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Meshes over many segments, and what happens to segments, hosts and processes, with real nodes and real Avahi.
///
/// Figures are printed; the bounds asserted are those of a busy machine with a debug build.
extension EndToEnd.Meshes {
    // MARK: A chain of five segments

    /// `a` and `f` are at the ends, each other node stands on two segments. Only `a` can admit: all tokens are its, and none of its
    /// addresses can be reached from beyond segment 1.
    @Test(.timeLimit(.minutes(4)))
    func `a chain of five segments admits through relays, calls from end to end, breaks and heals`()
        async throws
    {
        try await Rig.with("a=1", "b=1,2", "c=2,3", "d=3,4", "e=4,5", "f=5") { rig in
            let mesh = try RigMesh(on: rig)
            let a = try await mesh.start("a")
            for name in ["b", "c", "d", "e"] {
                try await mesh.start(name, token: try await a.joinToken())
            }
            // Nobody is at the last one's keyboard: it runs, and its token comes later.
            let file = mesh.file("f.token")
            try await mesh.start("f", tokenFile: file)
            #expect(try await mesh.view(of: "f").isEmpty)
            try await a.joinToken().write(toFile: file, atomically: true, encoding: .utf8)
            let first = try await mesh.callUntilItSucceeds("f", from: "a", within: .seconds(40))
            #expect(first.path == ["a", "b", "c", "d", "e", "f"])
            print("chain: the first call over five hops \(first.after) after the last node got its token")
            let hops = try await a.json("path", "f")["best"]?["hops"]?.elements ?? []
            #expect(hops.compactMap { $0["label"]?.string } == ["b", "c", "d", "e", "f"])
            let ping = try await a.json("ping", "f")
            #expect(ping["path"]?.elements.compactMap(\.string) == ["b", "c", "d", "e", "f"])

            try await cutAndHeal(mesh)
            try await killBetween(mesh)
            try await revoke(mesh)
            try await mesh.stopAll()
        }
    }

    private func cutAndHeal(_ mesh: RigMesh) async throws {
        try await mesh.rig.cable(of: "d", to: 3, isIn: false)
        let told = try await mesh.wait(
            until: "a", sees: ["d", "e", "f"], as: "unreachable", within: .seconds(10))
        print("chain: a cable pulled in the middle is known at the end after \(told)")
        let near = try await mesh.view(of: "a")
        #expect(near["b"] == "reachable" && near["c"] == "reachable", "\(near)")
        #expect(try await mesh.call("f", from: "a") == nil)
        #expect(try await mesh.call("c", from: "a") == ["a", "b", "c"], "this half goes on")
        #expect(try await mesh.call("f", from: "d") == ["d", "e", "f"], "and that one")
        #expect(try await mesh["a"].entryState(RigMesh.tool(of: "f")) == "unreachable", "it stays listed")
        try await mesh.rig.cable(of: "d", to: 3, isIn: true)
        let healed = try await mesh.callUntilItSucceeds("f", from: "a", within: .seconds(30))
        print("chain: healed, the first call succeeds after \(healed.after)")
        #expect(healed.path == ["a", "b", "c", "d", "e", "f"])
    }

    private func killBetween(_ mesh: RigMesh) async throws {
        try await mesh["e"].kill()
        let told = try await mesh.wait(until: "a", sees: ["e", "f"], as: "unreachable", within: .seconds(10))
        print("chain: a node killed four hops away is known after \(told)")
        try await mesh.start("e")
        let again = try await mesh.callUntilItSucceeds("f", from: "a", within: .seconds(30))
        print("chain: it is back, and calls cross it \(again.after) after it was ready")
    }

    private func revoke(_ mesh: RigMesh) async throws {
        let asked = ContinuousClock.now
        _ = try await mesh["a"].json("mesh", "revoke", "f")
        try await eventually("e, five segments away, has no link to f", within: .seconds(10)) {
            try await mesh.view(of: "e")["f"] != "reachable"
        }
        print(
            "chain: revoked at one end, cut off at the other \(ContinuousClock.now - asked) after the command began"
        )
        #expect(try await mesh.call("f", from: "a") == nil)
        try await eventually("f reaches nobody", within: .seconds(10)) {
            try await !mesh.view(of: "f").values.contains("reachable")
        }
        #expect(try await mesh.call("a", from: "f") == nil)
    }

    // MARK: A ring of four

    @Test(.timeLimit(.minutes(5)))
    func `a ring of four goes the other way round whatever stands still, dies or moves`() async throws {
        try await Rig.with("a=1,4", "b=1,2", "c=2,3", "d=3,4") { rig in
            let mesh = try RigMesh(on: rig)
            let a = try await mesh.start("a")
            for name in ["b", "d", "c"] { try await mesh.start(name, token: try await a.joinToken()) }
            // Each hears both of its neighbours: only then there are two ways.
            for (name, others) in [
                ("a", ["b", "d"]), ("b", ["a", "c"]), ("c", ["b", "d"]), ("d", ["a", "c"]),
            ] {
                try await eventually("\(name) has links to \(others)", within: .seconds(20)) {
                    let peers = try await mesh[name].ask("/v1/status")["peers"]?.elements ?? []
                    let direct = peers.filter { $0["path"]?.string == "direct" }
                    return Set(direct.compactMap { $0["label"]?.string }) == Set(others)
                }
            }
            try await killTheBridge(mesh)
            try await standStill(mesh)
            try await moveHouse(mesh)
            try await mesh.stopAll()
        }
    }

    private func killTheBridge(_ mesh: RigMesh) async throws {
        let path = try await mesh.callUntilItSucceeds("c", from: "a").path
        try #require(path.count == 3, "\(path)")
        let (bridge, other) = (path[1], path[1] == "b" ? "d" : "b")
        try await mesh[bridge].kill()
        let around = try await mesh.callUntilItSucceeds("c", from: "a", within: .seconds(10))
        print(
            "ring: the bridge killed, the next call succeeds after \(around.after), the command's own start included"
        )
        #expect(around.path == ["a", other, "c"])
        try await mesh.start(bridge)
        for name in ["a", "c", other] { try await mesh.wait(until: name, sees: [bridge], as: "reachable") }
    }

    /// A process that is stopped says nothing and closes nothing: only silence tells.
    private func standStill(_ mesh: RigMesh) async throws {
        let still = try mesh["d"]
        still.program.signal(SIGSTOP)
        let stopped = ContinuousClock.now
        let told = try await mesh.wait(until: "a", sees: ["d"], as: "unreachable", within: .seconds(10))
        print("ring: a stopped process is known after \(told)")
        try await mesh.wait(until: "c", sees: ["d"], as: "unreachable", within: .seconds(10))
        #expect(try await mesh.callUntilItSucceeds("c", from: "a").path == ["a", "b", "c"])
        // A minute: longer than any silence, shorter than what makes others forget a node.
        try await eventually("it has stood still for a minute", within: .seconds(70), every: .seconds(2)) {
            let view = try await mesh.view(of: "a")
            #expect(view["b"] == "reachable" && view["c"] == "reachable", "\(view)")
            return ContinuousClock.now - stopped > .seconds(60)
        }
        still.program.signal(SIGCONT)
        let back = try await mesh.wait(until: "a", sees: ["d"], as: "reachable")
        print("ring: it goes on, and is reachable after \(back)")
        try await mesh.wait(until: "d", sees: ["a", "b", "c"], as: "reachable")
    }

    private func moveHouse(_ mesh: RigMesh) async throws {
        try await mesh.rig.move("b", on: 2)
        try await mesh.rig.cable(of: "d", to: 3, isIn: false)
        let moved = try await mesh.callUntilItSucceeds("c", from: "a", within: .seconds(30))
        print(
            "ring: with another address, and the other way cut, the next call succeeds after \(moved.after)")
        #expect(moved.path == ["a", "b", "c"])
        try await mesh.rig.cable(of: "d", to: 3, isIn: true)
        try await mesh.wait(until: "d", sees: ["a", "b", "c"], as: "reachable")
    }

    // MARK: Many at once, and two meshes on one segment

    @Test(.timeLimit(.minutes(4)))
    func `twelve nodes that start at once are one mesh, beside another that stays its own`() async throws {
        let names = (1...12).map { "n\($0)" }
        try await Rig.with(hosts: (names + ["x", "y"]).map { "\($0)=1" }) { rig in
            let (mesh, other) = (try RigMesh(on: rig), try RigMesh(on: rig))
            let founder = try await mesh.start(names[0])
            let x = try await other.start("x")
            let token = try await founder.joinToken("--uses", "\(names.count - 1)")
            let othersToken = try await x.joinToken()
            let began = ContinuousClock.now
            try await withThrowingTaskGroup { group in
                for name in names.dropFirst() { group.addTask { try await mesh.start(name, token: token) } }
                group.addTask { try await other.start("y", token: othersToken) }
                try await group.waitForAll()
            }
            for name in names {
                let rest = names.filter { $0 != name }
                try await mesh.wait(until: name, sees: rest, as: "reachable", within: .seconds(60))
                #expect(try await Set(mesh.view(of: name).keys) == Set(rest), "and nobody of the other mesh")
            }
            print("twelve: all see all \(ContinuousClock.now - began) after the first was started")
            for name in names {
                try await eventually("\(name) lists every tool", within: .seconds(30)) {
                    let entries = try await mesh[name].ask(
                        "/v1/catalog/search", ["query": "add", "limit": 100])
                    let listed = Set((entries["entries"]?.elements ?? []).compactMap { $0["name"]?.string })
                    return names.allSatisfy { $0 == name || listed.contains(RigMesh.tool(of: $0)) }
                }
            }
            print("twelve: all list all \(ContinuousClock.now - began) after the first was started")
            // Each has a link with some of the others only; one for calls is made when it is needed.
            for (entry, owner) in [(names[5], names[11]), (names[11], names[0]), (names[2], names[7])] {
                try await eventually("\(entry) calls \(owner) without a relay", within: .seconds(60)) {
                    try await mesh.call(owner, from: entry) == [entry, owner]
                }
            }
            #expect(try await other.view(of: "x").keys.sorted() == ["y"])
            try await eventually("x finds the nodes of the other mesh and keeps apart", within: .seconds(20))
            {
                try await x.ask("/v1/peers")["found"]?.elements.isEmpty == false
            }
            #expect(try await other.call("y", from: "x") == ["x", "y"])
            try await mesh.stopAll()
            try await other.stopAll()
        }
    }
}
