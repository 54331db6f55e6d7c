import Catalog
import Composition
package import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

/// Both ends of a trace: this node's records, and those of the nodes that they name.
extension Node {
    /// Other nodes that are asked for one trace. A composite calls many; who needs more asks there.
    private static let traceNodesMax = 16
    /// A record names its other end, whose records may name further ones.
    private static let traceRounds = 3

    /// - Parameters:
    ///   - id: the first digits of a trace's or a call's.
    ///   - visitor: who asks. Others' records are asked for an administrator only.
    package func traceRecords(_ id: String, by visitor: AdminVisitor) async throws -> JSON {
        var answer = try await listRecords(["id": id, "limit": "1000"])
        var records = answer["records"]?.elements ?? []
        var asked: Set<NodeID> = [seat.id]
        var told: [String] = [seat.label.text]
        var unreached: [(node: String, why: String)] = []
        for _ in 0..<Self.traceRounds {
            let names = board.names
            let wanted = Array(
                nodesToAsk(for: records, besides: asked).prefix(Self.traceNodesMax + 1 - asked.count))
            guard !wanted.isEmpty else { break }
            asked.formUnion(wanted)
            if let why = objectionToAsking(visitor) {
                unreached += wanted.filter { _ in !records.isEmpty }.map { (names[$0], why) }
                break
            }
            for (node, outcome) in await ask(wanted, id) {
                switch outcome {
                case .success(let theirs):
                    told.append(names[node])
                    records += theirs.records
                    if let trouble = theirs.trouble { unreached.append((names[node], trouble)) }
                case .failure(let why): unreached.append((names[node], why.text))
                }
            }
        }
        answer = answer.setting("records", to: .array(records))
        return answer.setting("asked", to: .array(told.sorted().map(JSON.string))).setting(
            "unreached",
            to: .array(
                unreached.map { .object([("node", .string($0.node)), ("why", .string($0.why))]) }))
    }

    private func objectionToAsking(_ visitor: AdminVisitor) -> String? {
        if visitor.role != .admin {
            return
                "others' records are asked for by administrators only, and this key has the role \(visitor.role.rawValue)"
        }
        guard seat.roles.contains(.operator) else {
            return "it shows its records to nodes with the role operator only, which this one is not"
        }
        return nil
    }

    /// The nodes that records name; where there are none, all that can be reached: one of them may know.
    private func nodesToAsk(for records: [JSON], besides asked: Set<NodeID>) -> [NodeID] {
        let snapshot = board.snapshot
        guard !records.isEmpty else {
            return snapshot.nodes.values.filter { $0.isReachable && !asked.contains($0.id) }.map(\.id)
                .sorted()
        }
        let named = records.flatMap { [$0.pointer("/entryNode/id"), $0.pointer("/owner/id")] }
            .compactMap { $0?.string.flatMap { NodeID($0) } }
        return Set(named).subtracting(asked).sorted()
    }

    private struct Unreached: Error {
        let text: String
    }

    private func ask(_ nodes: [NodeID], _ id: String) async -> [(NodeID, Result<ToldRecords, Unreached>)] {
        await withTaskGroup(of: (NodeID, Result<ToldRecords, Unreached>).self) { group in
            for node in nodes { group.addTask { (node, await self.ask(node, id)) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }
        }
    }

    private func ask(_ node: NodeID, _ id: String) async -> Result<ToldRecords, Unreached> {
        let me = seat.id
        guard let label = board.snapshot.nodes[node]?.label else {
            return .failure(Unreached(text: "it is not in the mesh any more"))
        }
        return await withCheckedContinuation { continuation in
            let isOver = Flag()
            _ = seat.forward(
                ForwardedCall(
                    owner: node, server: label, hash: nil, kind: nil,
                    caller: TraceQuestion.caller(me), request: TraceQuestion.request(id, by: me))
            ) { event in
                guard event.isFinal, isOver.raise() else { return }
                switch event {
                case .result(let answer):
                    continuation.resume(returning: .success(ToldRecords(answer, of: node, about: id)))
                case .failure(let failure):
                    continuation.resume(returning: .failure(Unreached(text: failure.detail)))
                case .error, .notification:
                    continuation.resume(
                        returning: .failure(
                            Unreached(text: "it is of a version that does not know the question")))
                }
            }
        }
    }
}
