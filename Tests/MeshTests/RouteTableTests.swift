import Catalog
import MartletTestKit
import Mesh
import Testing

/// Routes that are kept up to date are those that would be found anew.
struct RouteTableTests {
    private static let nodes = 24

    /// Whatever nodes may list, this one's own links among it, one change at a time.
    private struct History {
        let me: NodeID
        let ids: [NodeID]
        var listed: [NodeID: LinksBody] = [:]
        var direct: [NodeID: ListedLink] = [:]
        var random: SplitMix64

        init(seed: UInt64) {
            var random = SplitMix64(seed: seed)
            ids = (1..<nodes).map { _ in Self.id(using: &random) }
            me = Self.id(using: &random)
            self.random = random
        }

        private static func id(using random: inout SplitMix64) -> NodeID {
            NodeID(high: UInt64.random(in: 0...3, using: &random), low: random.next())
        }

        private mutating func link() -> ListedLink {
            // Few costs, so that many ways cost the same.
            ListedLink(
                roundTrip: RoundTripClass(level: UInt8.random(in: 0...2, using: &random)),
                relays: Int.random(in: 0..<8, using: &random) > 0)
        }

        /// - Returns: whose list is another now; `nil`: this node's links are.
        mutating func change() -> NodeID? {
            let node = ids[Int.random(in: 0..<ids.count, using: &random)]
            let other = ids[Int.random(in: 0..<ids.count, using: &random)]
            switch Int.random(in: 0..<20, using: &random) {
            case 0: listed[node] = nil
            case 1: listed[node] = LinksBody()
            case 2:
                direct[node] = nil
                return nil
            case 3, 4:
                direct[node] = link()
                return nil
            case 5, 6: listed[node, default: LinksBody()].links[me] = link()
            case 7...9: listed[node]?.links[other] = nil
            case 10: listed[node, default: LinksBody()].links[node] = link()
            default:
                listed[node, default: LinksBody()].links[other] = link()
                // Mostly answered, so that there are ways at all.
                if Int.random(in: 0..<4, using: &random) > 0 { answer(node, other) }
            }
            return node
        }

        /// The far end lists what the near one does, if it lists anything.
        private mutating func answer(_ node: NodeID, _ other: NodeID) {
            guard listed[other]?.links[node] == nil else { return }
            pending = (other, node, link())
        }

        var pending: (node: NodeID, peer: NodeID, ListedLink)?

        mutating func takePending() -> NodeID? {
            guard let (node, peer, link) = pending else { return nil }
            pending = nil
            listed[node, default: LinksBody()].links[peer] = link
            return node
        }
    }

    @Test(arguments: UInt64(1)...60)
    func `after each change of a history, routes are those found anew`(seed: UInt64) {
        var history = History(seed: seed)
        var graph = LinkGraph(me: history.me)
        var table = RouteTable()
        var shown: [NodeID: Route] = [:]
        for step in 0..<250 {
            if let node = history.change() { graph.list(node, history.listed[node]) }
            if let node = history.takePending() { graph.list(node, history.listed[node]) }
            // Several changes are often taken in together.
            guard step < 20 || Int.random(in: 0..<3, using: &history.random) == 0 else { continue }
            for peer in history.direct.keys.sorted() { graph.admit(peer) }
            let hasChanged = table.update(graph, direct: history.direct, touched: graph.takeTouched())
            let routes = table.routes(in: graph, to: history.ids)
            let plain = PlainRoutes(me: history.me, direct: history.direct, listed: history.listed).routes
            #expect(routes == plain, "seed \(seed), step \(step)")
            #expect(hasChanged || routes == shown, "seed \(seed), step \(step): a change went unnoticed")
            for node in history.ids {
                guard let number = graph.number(of: node) else { continue }
                #expect(table.isSame(shown[node], to: number, in: graph) == (shown[node] == routes[node]))
            }
            shown = routes
        }
        #expect(shown.count > 3, "seed \(seed): a history in which hardly anybody is reached shows nothing")
    }

    @Test(arguments: UInt64(1)...60)
    func `around broken links and the relays that named them, routes are those found plainly`(seed: UInt64) {
        var history = History(seed: seed)
        for _ in 0..<200 {
            _ = history.change()
            _ = history.takePending()
        }
        let everybody = history.ids + [history.me]
        let masked = Set(
            (0..<6).map { _ in
                NodePair(
                    everybody[Int.random(in: 0..<everybody.count, using: &history.random)],
                    everybody[Int.random(in: 0..<everybody.count, using: &history.random)])
            })
        let avoided = Set(history.ids.prefix(3))
        var graph = LinkGraph(me: history.me, listed: history.listed)
        for peer in history.direct.keys { graph.admit(peer) }
        let table = RouteTable(graph, direct: history.direct, masked: masked, avoided: avoided)
        let plain = PlainRoutes(
            me: history.me, direct: history.direct, listed: history.listed, masked: masked, avoided: avoided)
        #expect(table.routes(in: graph, to: history.ids) == plain.routes)
    }

    @Test func `a node that is merely named takes no room`() {
        var graph = LinkGraph(me: NodeID(high: 0, low: 0))
        var body = LinksBody()
        for number in 1...500 {
            body.links[NodeID(high: 7, low: UInt64(number))] = ListedLink(
                roundTrip: RoundTripClass(level: 0), relays: true)
        }
        graph.list(NodeID(high: 0, low: 1), body)
        #expect(graph.nodeCount == 1)
    }
}

extension LinkGraph {
    init(me: NodeID, listed: [NodeID: LinksBody]) {
        self.init(me: me)
        for (node, body) in listed.sorted(by: { $0.key < $1.key }) { list(node, body) }
    }
}

extension RouteTable {
    func routes(in graph: LinkGraph, to nodes: [NodeID]) -> [NodeID: Route] {
        var routes: [NodeID: Route] = [:]
        for node in nodes { routes[node] = graph.number(of: node).flatMap { route(to: $0, in: graph) } }
        return routes
    }
}
