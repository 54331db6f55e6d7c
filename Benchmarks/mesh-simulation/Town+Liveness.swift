import Catalog
import MartletTestKit
import Mesh

extension Town {
    /// A node goes; everybody knows that it is out of reach.
    ///
    /// - Parameter silently: its host vanishes; else its kernel resets its links.
    func measureKill(trials: Int, silently: Bool) throws -> Finding {
        mesh.network.loss = 0.05
        var random = SplitMix64(seed: seed ^ (silently ? 99 : 98))
        var all: [Double] = []
        var last: [Double] = []
        for _ in 0..<trials {
            let victim = nodes[Int.random(in: 1..<nodes.count, using: &random)]
            let id = mesh.id(victim)
            if silently { mesh.vanish(victim) } else { mesh.kill(victim) }
            let times = try times(of: nodes.filter { $0 != victim }) {
                try mesh.core($0).route(to: id) == nil
            }
            all += times
            last.append(times.max() ?? .infinity)
            mesh.run(for: .seconds(2))
            mesh.start(victim)
            mesh.run(for: .seconds(15))
        }
        mesh.network.loss = 0
        let spread = Spread(all)
        let isReached = silently ? spread.p50 <= 3000 && spread.p99 <= 3500 : spread.p99 <= 500
        return Finding(
            key: "\(silently ? "silence" : "kill")-\(nodes.count)",
            what: silently ? "host vanishes silently" : "killed process known to every node",
            goal: silently ? "p50 ≤ 3 s, p99 ≤ 3.5 s, flat in N" : "p99 ≤ 0.5 s",
            measured:
                "p50 \((spread.p50 / 1000).text()) s, p99 \((spread.p99 / 1000).text()) s; everybody: median "
                + "\((Spread(last).p50 / 1000).text()) s, worst \((Spread(last).worst / 1000).text()) s",
            how:
                "N = \(nodes.count), \(trials) nodes one after the other, seed \(seed), 5 % loss, 15 to 25 ms one way",
            isReached: isReached)
    }

    /// How often a healthy node loses another from sight.
    static func measureFalseAlarms(
        _ count: Int, seed: UInt64, hours: Int, doubles: Bool = false
    ) throws -> Finding {
        let town = try Town(count, seed: seed)
        let mesh = town.mesh
        try town.settle(.seconds(90))
        mesh.network.doublesRetransmission = doubles
        mesh.network.loss = 0.05
        var alarms = 0
        var downs = 0
        mesh.silenceObserver = { _, _ in downs += 1 }
        mesh.effectObserver = { index, effect in
            guard case .routesChanged = effect, let core = try? mesh.core(index) else { return }
            if core.reachedCount < count - 1 { alarms += 1 }
        }
        let spans = count == 2 ? hours * 50 : hours
        mesh.run(for: .seconds(spans * 3600))
        let nodeHours = spans * count
        return Finding(
            key: doubles ? "doubling-\(count)" : "false-\(count)",
            what: count == 2
                ? "false `unreachable` in a mesh of two" : "false `unreachable` of a healthy node",
            goal: "0 in 1,000 node-hours at 5 % loss",
            measured: "\(alarms) in \(nodeHours) node-hours; \(downs) ends of links held for down",
            how: "N = \(count), seed \(seed), 5 % loss; what is lost is sent again after 200 ms, "
                + (doubles ? "and after twice as long each time" : "however often"),
            isReached: alarms == 0 && nodeHours >= 1000)
    }

    /// A tenth of all nodes again and again gets no processor for a while; does anybody lose a healthy node from sight, though a way
    /// there over nodes that are not starved exists?
    static func measureStarved(_ count: Int, seed: UInt64, hours: Int) throws -> Finding {
        let town = try Town(count, seed: seed)
        let mesh = town.mesh
        try town.settle(.seconds(90))
        mesh.network.loss = 0.05
        let starved = town.nodes.filter { $0 % 10 == 3 }
        for index in starved { mesh.stall(index, stalls) }
        var downs = 0
        mesh.silenceObserver = { _, _ in downs += 1 }
        let sight = LostFromSight(in: mesh, starved: starved)
        sight.run(for: .seconds(hours * 3600))
        return Finding(
            key: "starved-\(count)",
            what: "false `unreachable` of a healthy node, a tenth of the nodes starved",
            goal: "0 while a path of unstarved nodes exists",
            measured: "\(sight.wrongly) in \(hours * count) node-hours; \(downs) ends of links held for down",
            how:
                "N = \(count), seed \(seed), 5 % loss; \(starved.count) nodes get no processor for 0.3 to 5 s, "
                + "again and again after 0.5 to 10 s. Said by anybody: by the others at each change of their routes, by "
                + "the starved where they were awake and a path was there for 1 s, since they wake up to find their links given up "
                + "(\(sight.rightly) times one of them then had no path to another)",
            isReached: sight.wrongly == 0)
    }

    /// As a host does that is short of processors or of memory, or somebody with SIGSTOP.
    private static let stalls = SimulatedMesh.Stalls(
        lasting: .milliseconds(300)...(.seconds(5)), apart: .milliseconds(500)...(.seconds(10)))

    /// Of five segments, an issuer in the first revokes a node of any.
    static func measureRevocation(_ count: Int, seed: UInt64, trials: Int) throws -> Finding {
        let town = try Town(count, seed: seed, segments: 5)
        let mesh = town.mesh
        try town.settle(.seconds(60))
        mesh.network.loss = 0.05
        var random = SplitMix64(seed: seed)
        var last: [Double] = []
        var victims = town.nodes.filter { $0 % (count / 5) >= bridgesEach }.shuffled(using: &random)
        for _ in 0..<min(trials, victims.count / 2) {
            let victim = victims.removeLast()
            let id = mesh.id(victim)
            try mesh.revoke(town.nodes[0], victim)
            let others = mesh.running.filter { $0 != victim }
            let times = try town.times(of: others) {
                try mesh.core($0).link(to: id) == nil && mesh.core($0).nodes[id] == nil
            }
            last.append(times.max() ?? .infinity)
            mesh.kill(victim)
            mesh.run(for: .seconds(5))
        }
        let spread = Spread(last)
        return Finding(
            key: "revoke-\(count)",
            what:
                "revocation, five segments, another path exists: last link closed and all documents dropped",
            goal: "p99 ≤ 1.5 s",
            measured:
                "median \((spread.p50 / 1000).text()) s, worst \((spread.worst / 1000).text()) s of \(last.count)",
            how:
                "N = \(count), seed \(seed), 5 % loss, 15 to 25 ms one way, \(bridgesEach) nodes of each segment on one backbone",
            isReached: spread.worst <= 1500)
    }
}
