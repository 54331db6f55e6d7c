import Catalog
import JSONSlice
import MartletTestKit
import Mesh

/// A small mesh through all that can go wrong with it at once, drawn from a seed; then peace, and a look at what is left.
///
/// Loss, delay, duplicates, what arrives out of order, links that carry one way only, partitions, nodes that are killed,
/// vanish, and come back with their disk, an older one or none, copies of a machine, pauses, starved nodes, clocks that are off and
/// dates that are wrong, a member that lies; while servers are published, changed, narrowed, withdrawn, virtual servers
/// defined and removed, and nodes revoked. What must hold at each step is ``StepInvariants``; what in the end,
/// ``difference()``.
final class MeshTrial {
    typealias NodeIndex = SimulatedMesh.NodeIndex

    let seed: UInt64
    let mesh: SimulatedMesh
    /// What was done, and when.
    private(set) var story: [String] = []
    let watch: StepInvariants
    private var random: SplitMix64

    /// All but copies and the member that lies.
    let honest: [NodeIndex]
    var hostile: HostileMember?
    private var clone: (of: NodeIndex, at: NodeIndex)?
    /// What each node's configuration names: so many tools each.
    var wanted: [NodeIndex: [Label: Int]] = [:]
    /// Of the server that is for some only.
    var scopedTools: Int?
    var departed: Set<NodeIndex> = []
    private var backups: [NodeIndex: (state: StoredState, incarnation: UInt64)] = [:]

    static let scoped: Label = "payroll"
    static let bridge = 0
    /// Defines virtual servers, and owns what is for some.
    static let author = 1
    static let reader = 2
    private static let readerName: Label = "n2"
    private static let names: [Label] = ["a", "b"]
    private static let rounds = 10
    /// Longer than any back-off, repair and grudge there is.
    private static let peaceMax: Duration = .seconds(180)

    init(seed: UInt64) throws {
        self.seed = seed
        var random = SplitMix64(seed: seed &* 0x9E37_79B9)
        var limits = MeshLimits()
        limits.serversPerOrigin = 8
        limits.documentsPerOrigin = 24
        limits.candidates = 64
        mesh = try SimulatedMesh(seed: seed, limits: limits)
        watch = StepInvariants(mesh, limits: limits)
        let places: [(Label, Set<String>)] = [
            ("left", ["one"]), ("right", ["two"]), ("right", ["one", "two"]),
        ]
        var nodes: [NodeIndex] = []
        for number in 0..<Int.random(in: 4...5, using: &random) {
            let (segment, networks) = try places.randomElement(using: &random).orFail()
            let roles: Roles =
                number == Self.bridge ? .all : number == Self.author ? [.member, .operator] : .ordinary
            nodes.append(
                try mesh.addNode(
                    Label("n\(number)").orFail(), roles: roles, segment: segment,
                    attachedTo: number == Self.bridge ? ["one", "two"] : networks,
                    by: number == Self.bridge ? nil : Self.bridge))
        }
        honest = nodes
        if random.chance(0.35) {
            let index = try mesh.addNode("liar", by: Self.bridge)
            hostile = try HostileMember(index, seed: seed)
            watch.hostile = index
        }
        watch.mayHoldScoped = [Self.author, Self.reader]
        mesh.network.loss = random.chance(0.7) ? 0.05 : 0
        mesh.network.duplication = random.chance(0.5) ? 0.1 : 0
        mesh.network.reordering = random.chance(0.5) ? 0.1 : 0
        if random.chance(0.2) { mesh.network.delay = .milliseconds(5)...(.milliseconds(150)) }
        self.random = random
        for index in nodes where random.chance(0.3) {
            mesh.setClock(
                index,
                SimulatedMesh.Clock(
                    offset: .seconds(Int.random(in: 0...1_000_000, using: &self.random)),
                    drift: Int.random(in: -20...20, using: &self.random)))
        }
        mesh.wireObserver = { [unowned self] _, to, bytes in
            if to == hostile?.index { hostile?.hear(bytes) }
        }
    }

    /// - Returns: what was broken; `nil`: nothing.
    func run() throws -> String? {
        for index in honest { start(index) }
        if let hostile { start(hostile.index) }
        publish("a", tools: 2, at: Self.author)
        mesh.run(for: .seconds(1))
        for _ in 0..<Self.rounds {
            let told = try strike()
            tell(told)
            mesh.run(for: .milliseconds(Int64.random(in: 0...2_500, using: &random)))
            if let broken = watch.broken.first { return broken }
        }
        makePeace()
        let begin = mesh.now
        var difference: String?
        repeat {
            mesh.run(for: .milliseconds(500))
            // Who was held as one of two starts anew now that it is the only one.
            for index in honest where (try? mesh.core(index).isHeldAsClone) == true {
                tell("node \(index) is held as a copy, and restarted")
                mesh.kill(index)
                start(index)
            }
            difference = try self.difference()
        } while difference != nil && mesh.now - begin < Self.peaceMax && watch.broken.isEmpty
        return watch.broken.first ?? difference.map { "after \(Self.peaceMax) of peace: \($0)" }
    }

    private func tell(_ text: String) { story.append("\(mesh.now.nanoseconds / 1_000_000) ms: \(text)") }

    // MARK: Nodes and what they offer

    /// Starts a node with its seeds, and lets it publish what its configuration names.
    private func start(_ index: NodeIndex) {
        let original = clone?.at == index ? clone?.of ?? index : index
        configure(original)
        if original != index { mesh.configure(index, servers: Set((wanted[original] ?? [:]).keys)) }
        mesh.start(index)
        for other in honest where other != index && (other == Self.bridge || index == Self.bridge) {
            mesh.sight(index, mesh.address(other))
        }
        for (name, tools) in (wanted[original] ?? [:]).sorted(by: { $0.key.text < $1.key.text }) {
            try? mesh.publish(index, name, tools: tools, padding: 40 * tools)
        }
        if index == Self.author, let scopedTools { try? publishScoped(scopedTools) }
    }

    private func configure(_ index: NodeIndex) {
        mesh.configure(
            index, servers: Set((wanted[index] ?? [:]).keys),
            scopes: index == Self.author && scopedTools != nil ? [Self.scoped: scope] : [:])
    }

    private var scope: ServerScope { ServerScope(nodes: [Self.readerName]) }

    /// Fails where the node is down, held as a copy, revoked or gone: then its configuration says so at its next start.
    private func publish(_ name: Label, tools: Int, at index: NodeIndex) {
        wanted[index, default: [:]][name] = tools
        configure(index)
        try? mesh.publish(index, name, tools: tools, padding: 40 * tools)
    }

    private func publishScoped(_ tools: Int) throws {
        scopedTools = tools
        configure(Self.author)
        try mesh.publish(Self.author, Self.scoped, tools: tools, to: scope)
    }

    // MARK: What goes wrong

    private func strike() throws -> String {
        let index = try honest.randomElement(using: &random).orFail("a node")
        let other = try honest.filter { $0 != index }.randomElement(using: &random).orFail("another")
        let name = try Self.names.randomElement(using: &random).orFail("a name")
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<16:
            let tools = Int.random(in: 0...30, using: &random)
            publish(name, tools: tools, at: index)
            return "node \(index) publishes \(name) with \(tools)"
        case 16..<22:
            wanted[index]?[name] = nil
            configure(index)
            try? mesh.withdraw(index, name)
            return "node \(index) withdraws \(name)"
        case 22..<28:
            let author = random.chance(0.5) ? Self.bridge : Self.author
            if random.chance(0.3) {
                try? mesh.remove(author, name)
            } else {
                try? mesh.define(author, name, ["round": .number(story.count)])
            }
            return "node \(author) defines or removes \(name)"
        case 28..<33:
            if random.chance(0.3) {
                scopedTools = nil
                configure(Self.author)
                try? mesh.withdraw(Self.author, Self.scoped)
                return "the scoped server ends"
            }
            try? publishScoped(Int.random(in: 1...9, using: &random))
            return "the scoped server has \(scopedTools ?? 0)"
        case 33..<47: return fall(index)
        case 47..<55: return comeBackOtherwise(index)
        case 55..<62:
            let side = honest.filter { _ in Bool.random(using: &random) }
            mesh.cut(side, from: honest.filter { !side.contains($0) })
            return "\(side) are cut off"
        case 62..<67:
            mesh.cutOneWay(index, to: other)
            return "\(index) is not heard by \(other)"
        case 67..<73:
            mesh.breakSomeLink()
            mesh.heal()
            return "all is healed, but a link breaks"
        case 73..<79:
            let long = Duration.milliseconds(
                Int64.random(in: 100...(random.chance(0.1) ? 60_000 : 5_000), using: &random))
            mesh.pause(index, for: long)
            return "node \(index) stops for \(long)"
        case 79..<84:
            let lateness: Duration? = random.chance(0.6) ? .milliseconds(1_500) : nil
            mesh.starve(index, upTo: lateness)
            return "node \(index) is \(lateness == nil ? "not starved" : "starved")"
        case 84..<88:
            let isWrong = random.chance(0.6)
            mesh.setWrongDate(index, isWrong)
            return "node \(index) has the \(isWrong ? "wrong" : "right") date"
        case 88..<91: return copy(index)
        case 91..<93: return try end(index)
        default:
            guard var liar = hostile, mesh.isRunning(liar.index) else { return "nothing" }
            let told = try liar.act(in: mesh, against: honest.map(mesh.id), using: &random)
            hostile = liar
            return "the liar: \(told)"
        }
    }

    private func fall(_ index: NodeIndex) -> String {
        guard mesh.isRunning(index) else {
            start(index)
            return "node \(index) starts"
        }
        if random.chance(0.3) {
            mesh.vanish(index)
            return "node \(index) vanishes"
        }
        mesh.kill(index)
        return "node \(index) is killed"
    }

    private func comeBackOtherwise(_ index: NodeIndex) -> String {
        guard !departed.contains(index) else { return "nothing" }
        guard let backup = backups[index], random.chance(0.5) else {
            if backups[index] == nil, random.chance(0.6) {
                backups[index] = mesh.disk(index)
                return "node \(index) is backed up"
            }
            mesh.kill(index)
            mesh.restoreDisk(index, StoredState(), incarnation: 0)
            start(index)
            return "node \(index) comes back without its disk"
        }
        mesh.kill(index)
        mesh.restoreDisk(index, backup.state, incarnation: backup.incarnation)
        start(index)
        return "node \(index) comes back with an older disk"
    }

    private func copy(_ index: NodeIndex) -> String {
        if let clone {
            guard mesh.isRunning(clone.at) else { return "nothing" }
            mesh.kill(clone.at)
            return "the copy is killed"
        }
        guard index != Self.bridge, index != Self.author, index != Self.reader, departed.isEmpty else {
            return "nothing"
        }
        let at = mesh.addClone(of: index)
        clone = (index, at)
        start(at)
        return "node \(index) runs twice"
    }

    /// For good: one that is no bridge and no reader leaves, or is revoked.
    private func end(_ index: NodeIndex) throws -> String {
        if let index = hostile?.index, random.chance(0.5) {
            try? mesh.revoke(Self.bridge, index)
            return "the liar is revoked"
        }
        guard index > Self.reader, departed.isEmpty, clone == nil, mesh.isRunning(index) else {
            return "nothing"
        }
        if random.chance(0.5) {
            departed.insert(index)
            try mesh.act(index) { core, now, random throws(PublishProblem) in
                core.handle(.leaving, at: now, using: &random)
            }
            return "node \(index) leaves"
        }
        try? mesh.revoke(Self.bridge, index)
        return "node \(index) is revoked"
    }

    private func makePeace() {
        mesh.heal()
        if let clone, mesh.isRunning(clone.at) { mesh.kill(clone.at) }
        for index in honest {
            mesh.setWrongDate(index, false)
            mesh.starve(index, upTo: nil)
            mesh.pause(index, for: .zero)
            if !mesh.isRunning(index) { start(index) }
        }
        tell("peace")
    }
}
