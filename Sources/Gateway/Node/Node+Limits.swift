import Catalog
package import JSONSlice
import Mesh
import Storage

/// Operators' limits: how often, and how many at once, a target is called on every node (docs/reference/review.md).
extension Node {
    /// Says a limit to the whole mesh; of one node a target has one, and a later takes its place.
    ///
    /// - Parameter rate: as in `10/s` or `100 in 5m`.
    package func limit(_ text: String, rate: String?, concurrency: Int?, reason: String) async throws -> JSON
    {
        let parsed = rate.flatMap { CallRate(short: $0) }
        guard rate == nil || parsed != nil, concurrency.map(CallAllowance.concurrencyRange.contains) ?? true,
            let allowance = CallAllowance(rate: parsed, concurrency: concurrency)
        else {
            throw Refusal(
                .invalid, "that bounds nothing, or not within what can be bounded",
                hint:
                    "a rate is COUNT/s, COUNT/m or COUNT/h, or \(CallRate.form); calls at once are 1 to \(CallAllowance.concurrencyRange.upperBound)"
            )
        }
        let targets = try await targetLookup().targets(text)
        guard seat.roles.contains(.operator) else {
            throw Refusal(
                .forbidden, "this node has no role operator, so what it limits is limited here only",
                hint:
                    "access.limits in its configuration does that; or limit it on a node with the role (`martlet peers`)"
            )
        }
        for target in targets where try await !mayBeTold(target) {
            throw Refusal(
                .forbidden, "\(text) is for some nodes only, and a statement is read by all",
                hint: "limit it at its owner, with access.limits in the configuration")
        }
        for target in targets {
            do {
                try await seat.running().say(
                    .limit(target, allowance), reason: reason, wall: WallTime.now().seconds)
            } catch let problem as PublishProblem {
                throw Refusal(.conflict, "the mesh does not take the limit: \(problem)")
            }
            await seen {
                $0.limits.exactly(target).contains { $0.signer == self.seat.id && $0.allowance == allowance }
            }
        }
        let lookup = await targetLookup()
        return .object([
            (
                "limited",
                .array(
                    targets.map { target in
                        .object([
                            (
                                "target",
                                .string(ServerSpelling.text(target, in: lookup.snapshot, lookup.nodes))
                            ), ("allowance", .string(allowance.text)),
                            (
                                "note",
                                "counted by its owner for all callers together, and by each node for its own"
                            ),
                        ])
                    })
            )
        ])
    }

    /// Ends the limits of exactly this target that this node may end, and tells which stand all the same.
    package func releaseLimits(_ text: String, reason: String) async throws -> JSON {
        let targets = try await targetLookup().targets(text)
        var ended: [StatedLimit] = []
        for target in targets {
            do {
                let said = try await seat.running().releaseLimits(
                    target, reason: reason, wall: WallTime.now().seconds)
                ended += said
                let words = Set(said.map(\.word))
                await seen { $0.limits.exactly(target).allSatisfy { !words.contains($0.word) } }
            } catch let problem as PublishProblem {
                throw Refusal(.conflict, "the mesh does not take the release: \(problem)")
            }
        }
        let lookup = await targetLookup()
        let left = targets.flatMap { lookup.snapshot.limits.exactly($0) }
        guard !ended.isEmpty || !left.isEmpty else {
            throw Refusal(
                .notFound, "no operator's limit on \(text) stands",
                hint: "`martlet review` shows those that do")
        }
        return .object([
            ("released", .array(ended.map { Self.report($0, lookup) })),
            ("standing", .array(left.map { Self.report($0, lookup) })),
        ])
    }
}
