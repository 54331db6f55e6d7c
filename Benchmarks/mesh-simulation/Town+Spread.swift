import Catalog
import MartletTestKit
import Mesh

extension Town {
    /// TLS adds 22 bytes to a record, TCP and IP 52 to a packet; each packet is taken to be answered by one that bears nothing.
    private static let perFrame = 22 + 52 + 52

    /// What the mesh costs while nothing changes, and how fast it is simulated.
    func measurePeace() throws -> [Finding] {
        mesh.network.loss = 0
        let span: Duration = .seconds(60)
        let (bytes, frames) = (mesh.bytesSent, mesh.framesSent)
        let clock = CPUClock()
        let begin = clock.now
        mesh.run(for: span)
        let cpu = clock.now - begin
        let seconds = span.inSeconds * Double(nodes.count)
        let rate = Double(mesh.bytesSent - bytes + (mesh.framesSent - frames) * Self.perFrame) / seconds
        let goal = nodes.count > 300 ? 2500.0 : 2000.0
        let links = try linksEach()
        let speed = span / cpu
        return [
            Finding(
                key: "steady-\(nodes.count)",
                what: "steady state, nothing changing: sent by a node at IP level",
                goal: "≤ \((goal / 1000).text(1)) kB/s at 8 links",
                measured: "\((rate / 1000).text()) kB/s at \(links.text(1)) links",
                how:
                    "N = \(nodes.count), \(span.inSeconds.text(0)) s, seed \(seed), no loss; frames counted, and 126 bytes for each: "
                    + "TLS record, TCP and IP headers, and a pure acknowledgement",
                isReached: rate <= goal * max(1, links / 8)),
            Finding(
                key: "cpu-\(nodes.count)", what: "the same: processor time of a node's core",
                goal: "≤ 0.5 % of a core",
                measured: "\((100 * cpu.inSeconds / seconds).text(4)) %",
                how: "the same run; cores, codec and simulator together, without TLS and sockets",
                isReached: cpu.inSeconds / seconds <= 0.005),
            Finding(
                key: "speed-\(nodes.count)", what: "simulator speed",
                goal: nodes.count > 300 ? "≥ 10 × real time on one core" : "none is set for so few",
                measured: "\(speed.text(1)) ×",
                how: "the same run, processor time; signatures are stood in for by hashes",
                isReached: nodes.count < 1000 || speed >= 10),
        ]
    }

    /// One tool changes; everybody shows the new list.
    func measureChange(loss: Int, trials: Int) throws -> Finding {
        mesh.network.loss = Double(loss) / 100
        var random = SplitMix64(seed: seed ^ UInt64(loss))
        var all: [Double] = []
        var last: [Double] = []
        for trial in 0..<trials {
            let owner = nodes[Int.random(in: 0..<nodes.count, using: &random)]
            try mesh.publish(owner, "own", tools: 10, tag: "l\(loss)t\(trial)", padding: 200)
            let key = ServerKey(owner: mesh.id(owner), name: "own")
            let hash = try mesh.core(owner).servers[key]?.manifest.orFail()
            let times = try times(of: nodes.filter { $0 != owner }) { index in
                try hash.map { try mesh.core(index).manifest($0) != nil } ?? false
            }
            all += times
            last.append(times.max() ?? .infinity)
            mesh.run(for: .seconds(3))
        }
        let goal = nodes.count > 300 ? 1000.0 : 500.0
        let spread = Spread(all)
        mesh.network.loss = 0
        return Finding(
            key: "change-\(nodes.count)-\(loss)",
            what: "one tool changed, visible everywhere, \(loss) % loss",
            goal: loss <= 5 ? "p99 ≤ \((goal / 1000).text(1)) s" : "none is set",
            measured:
                "p50 \((spread.p50 / 1000).text()) s, p99 \((spread.p99 / 1000).text()) s; everybody: median "
                + "\((Spread(last).p50 / 1000).text()) s, worst \((Spread(last).worst / 1000).text()) s",
            how:
                "N = \(nodes.count), \(trials) changes, seed \(seed), 15 to 25 ms one way; document and list there, looked at every 10 ms",
            isReached: loss > 5 || spread.p99 <= goal)
    }

    /// A node that has everything to learn.
    static func measureColdSync(_ count: Int, seed: UInt64) throws -> Finding {
        let town = try Town(count, seed: seed)
        let mesh = town.mesh
        try town.settle(.seconds(60))
        var definitions = 0
        var tools = Tools(seed: seed)
        for owner in town.nodes {
            let manifest = try tools.manifest(10_000 / count)
            let record = ServerRecord(key: ServerKey(owner: mesh.id(owner), name: "own"), state: .up)
            try mesh.act(owner) { core, now, random throws(PublishProblem) in
                try core.publish(record, manifest: manifest, at: now, using: &random)
            }
            mesh.run(for: .milliseconds(20))
        }
        mesh.run(for: .seconds(20))
        for (key, body) in try mesh.core(town.nodes[0]).servers where key.name == "own" {
            definitions += Int(body.manifestBytes)
        }
        let late = try mesh.addNode("late", segment: "s0", attachedTo: ["net0"])
        mesh.start(late)
        var received = 0
        mesh.frameObserver = { _, to, frame in
            if to == late { received += frame.encoded(inflates: true).count }
        }
        mesh.sight(late, mesh.address(town.nodes[0]))
        let took = try mesh.run(atMost: .seconds(60)) { try mesh.agree([town.nodes[1], late]) }
        mesh.frameObserver = nil
        return Finding(
            key: "cold-\(count)", what: "cold sync of 10,000 tools of \(count) nodes", goal: "≤ 2.5 MB",
            measured:
                "\((Double(received) / 1e6).text()) MB in \(took.map { $0.inSeconds.text(1) } ?? "over 60") s",
            how:
                "N = \(count), seed \(seed), no loss; received by the new node in frames, deflated; the lists are "
                + "\((Double(definitions) / 1e6).text(1)) MB of sentences of made-up sense",
            isReached: took != nil && received <= 2_500_000)
    }

    /// Two segments change apart, and meet again over the few links that there are between them.
    static func measurePartition(_ count: Int, seed: UInt64) throws -> [Finding] {
        let changes = 5_000
        let town = try Town(count, seed: seed, segments: 2)
        let mesh = town.mesh
        try town.settle(.seconds(60))
        let halves = [Array(town.nodes.prefix(count / 2)), Array(town.nodes.dropFirst(count / 2))]
        mesh.cut(halves[0], from: halves[1])
        mesh.run(for: .seconds(30))
        var changed = 0
        let rounds = 2 * changes / count
        for round in 0..<rounds {
            for owner in town.nodes {
                try mesh.publish(owner, Label("s\(round)").orFail(), tools: 1, tag: "r\(round)")
            }
            mesh.run(for: .seconds(60))
        }
        for half in halves {
            let core = try mesh.core(half[0])
            for (key, body) in core.servers {
                let document = core.document(.server(key.owner, key.name))
                changed += Int(body.manifestBytes) + (document?.encodedCount ?? 0)
            }
        }
        mesh.heal()
        var across = 0
        var received: [Int: Int] = [:]
        var linkedAt: Instant?
        mesh.frameObserver = { from, to, frame in
            switch frame {
            case .documents, .announce, .pull, .digest, .digestRows, .bucketDigest, .bucketRows,
                .manifestPull, .manifestPage, .manifestAbsent:
                break
            default: return
            }
            let size = frame.encoded(inflates: true).count
            received[to, default: 0] += size
            if (from < count / 2) != (to < count / 2) {
                across += size
                linkedAt = linkedAt ?? mesh.now
            }
        }
        let begin = mesh.now
        // Once a node is done, it stays so.
        let documents = try town.times(of: town.nodes, every: .milliseconds(100), atMost: .seconds(120)) {
            try mesh.core($0).servers.count == count * rounds
        }
        let lists = try town.times(of: town.nodes, every: .milliseconds(100), atMost: .seconds(120)) {
            index in
            let core = try mesh.core(index)
            return core.servers.values.allSatisfy { $0.manifest.map { core.manifest($0) != nil } ?? true }
        }
        mesh.frameObserver = nil
        let how =
            "N = \(count), halves of \(count / 2), \(changes) servers published in each over \(rounds) min, seed \(seed), "
            + "no loss; \(bridgesEach) nodes of each half are on one backbone"
        let what = "partition, 5,000 changes a side, healed: equal"
        guard let firstWord = linkedAt else {
            return [
                Finding(
                    key: "heal-time-\(count)", what: what, goal: "≤ 5 s",
                    measured: "no link across within 120 s of the network's healing", how: how,
                    isReached: false)
            ]
        }
        let linking = (firstWord - begin).milliseconds
        let toDocuments = ((documents.max() ?? .infinity) - linking) / 1000
        let toLists = toDocuments + (lists.max() ?? .infinity) / 1000
        let most = received.values.max() ?? 0
        let half = Double(changed) / 2
        return [
            Finding(
                key: "heal-time-\(count)", what: what,
                goal: "≤ 5 s",
                measured:
                    "documents \(toDocuments.text(1)) s, their lists \(toLists.text(1)) s after the first word across",
                how: how, isReached: toLists <= 5),
            Finding(
                key: "heal-link-\(count)", what: "the same: over the healing links together",
                goal: "≤ 1.3 × what changed",
                measured: "\((Double(across) / Double(changed)).text()) ×",
                how:
                    "the same run: frames of documents and lists, of rows and pulls, deflated, against these as they are "
                    + "(\((Double(changed) / 1e6).text(1)) MB)",
                isReached: Double(across) <= 1.3 * Double(changed)),
            Finding(
                key: "heal-node-\(count)", what: "the same: received by any node",
                goal: "≤ 1.6 × what changed for it",
                measured: "\((Double(most) / half).text()) × at most",
                how: "the same run: the same frames, whoever sent them, against what the other half changed",
                isReached: Double(most) <= 1.6 * half),
        ]
    }
}
