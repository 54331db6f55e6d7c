import Catalog
import Composition
package import JSONSlice
import Mesh
import MeshTransport

/// How a peer is reached: `martlet path` and `martlet ping`.
extension Node {
    /// The way to a node, hop by hop, and the second-best one.
    package func path(to name: String) async throws -> JSON {
        let (peer, snapshot, names) = try find(name)
        let service = try seat.running()
        let ways = await service.ways(to: peer.id)
        guard let best = ways.first else { throw unreachable(peer, names) }
        let trips = await service.roundTrips(along: best.hops.map(\.node))
        var members: [(String, JSON)] = [
            ("node", .string(peer.id.description)), ("label", .string(names[peer.id])),
            ("from", .string(seat.label.text)), ("best", json(best, trips, snapshot, names)),
        ]
        if let since = peer.reachedSince {
            members.append(("sinceSeconds", .number(max(0, (seat.now() - since).wholeSeconds))))
        }
        if ways.count > 1 { members.append(("second", json(ways[1], [], snapshot, names))) }
        return .object(members)
    }

    /// Has a node answer over the way that a call would take.
    package func ping(_ name: String) async throws -> JSON {
        let (peer, _, names) = try find(name)
        guard peer.isReachable else { throw unreachable(peer, names) }
        let answer: PingAnswer
        do {
            answer = try await seat.running().ping(peer.id)
        } catch let failure as PingFailure {
            throw Refusal(
                .unavailable, "\(names[peer.id]) did not answer: \(failure)",
                hint: "martlet path \(names[peer.id])")
        }
        return .object([
            ("node", .string(peer.id.description)), ("label", .string(names[peer.id])),
            ("from", .string(seat.label.text)),
            ("path", .array(answer.path.map { .string(names[$0]) })),
            ("roundTripMilliseconds", .number(answer.roundTrip.milliseconds)),
            ("setupMilliseconds", .number(answer.setup.milliseconds)),
        ])
    }

    private func find(_ name: String) throws(Refusal) -> (NodeRecord, CatalogSnapshot, NodeNames) {
        let snapshot = board.snapshot
        let names = NodeNames(snapshot)
        guard let id = names.node(name), let peer = snapshot.nodes[id] else {
            throw Refusal(
                .notFound, "no node named \(name) is known here", hint: "`martlet peers` lists those that are"
            )
        }
        guard id != snapshot.me else {
            throw Refusal(.invalid, "\(name) is this node itself", hint: "`martlet peers` lists the others")
        }
        return (peer, snapshot, names)
    }

    private func unreachable(_ peer: NodeRecord, _ names: NodeNames) -> Refusal {
        var since = ""
        if case .unreachable(let instant) = peer.reachability {
            since = " for \(max(0, (seat.now() - instant).wholeSeconds)) s"
        }
        return Refusal(
            .unavailable, "\(names[peer.id]) has been unreachable\(since): no path of links leads there",
            hint: "is its host up, and some node between? `martlet doctor` shows what was dialled")
    }

    /// - Parameter trips: from here to each node of the way and back, as far as it was measured. A hop's own is what it
    ///   adds to the one before; of the first, this node's own link, the kernel's measure stands, where there is one.
    private func json(
        _ way: Way, _ trips: [Duration?], _ snapshot: CatalogSnapshot, _ names: NodeNames
    ) -> JSON {
        .object([
            (
                "hops",
                .array(
                    way.hops.enumerated().map { index, hop in
                        let trip = index < trips.count ? trips[index] : nil
                        let before = index == 0 ? .zero : index <= trips.count ? trips[index - 1] : nil
                        var own = hop.roundTrip
                        if own == nil, let trip, let before { own = max(.zero, trip - before) }
                        var members: [(String, JSON)] = [
                            ("node", .string(hop.node.description)), ("label", .string(names[hop.node])),
                            ("segment", .string(snapshot.nodes[hop.node]?.segment.text ?? "-")),
                            ("roundTripBelowMilliseconds", .number(hop.roundTripClass.cost)),
                        ]
                        if let own { members.append(("roundTripMilliseconds", .number(own.milliseconds))) }
                        if let trip {
                            members.append(("fromHereMilliseconds", .number(trip.milliseconds)))
                        }
                        return .object(members)
                    })
            ), ("belowMilliseconds", .number(way.cost)),
        ])
    }
}
