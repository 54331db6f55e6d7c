package import Catalog
package import MCPModel

/// Counts calls against limits: token buckets and calls that run, by limit and caller.
///
/// A bucket is one point in time (the moment at which it would be full again), so nothing has to be done while nobody calls.
package struct LimitBook: Sendable {
    /// Callers that are counted at once, over all limits. A bucket that is full again and has no call running is forgotten when
    /// room is needed; if there is none, a new caller is refused rather than let through uncounted.
    package static let bucketsMax = 16_384
    /// How often room is looked for, at most: each time costs a look at every bucket.
    private static let sweepPause = Duration.seconds(1)

    fileprivate struct Key: Hashable {
        let limit: Int
        /// `nil`: all who share it.
        let caller: Caller?
        /// Where an identity is the node's own, another node's of the same name is another.
        let node: String?
    }

    private struct Bucket {
        /// When it is full again; past: it is full.
        var fullAt: Int64
        var running: Int
    }

    /// What a call that was let in gives back when it is over.
    package struct Place: Hashable, Sendable {
        fileprivate let keys: [Key]
        package static let none = Place(keys: [])
    }

    private let limits: [AccessLimit]
    private let bucketsMax: Int
    private var buckets: [Key: Bucket] = [:]
    private var sweptAt: Instant?

    package init(_ limits: [AccessLimit], bucketsMax: Int = Self.bucketsMax) {
        self.limits = limits
        self.bucketsMax = bucketsMax
    }

    /// Lets a call in, or none of its limits counts it.
    ///
    /// - Parameters:
    ///   - places: of the limits that the call is about, in ``AccessRules/limits``.
    ///   - node: the entry node.
    package mutating func enter(
        _ places: [Int], as caller: Caller, from node: String?, at now: Instant
    ) -> Result<Place, LimitExcess> {
        guard !places.isEmpty else { return .success(.none) }
        let keys = places.filter(limits.indices.contains).map { key(of: $0, caller, node) }
        var changed: [(Key, Bucket)] = []
        for key in keys {
            let limit = limits[key.limit]
            var bucket = buckets[key] ?? Bucket(fullAt: now.nanoseconds, running: 0)
            if let most = limit.concurrency, bucket.running >= most {
                return .failure(LimitExcess(limit: limit.name, wait: nil))
            }
            if let rate = limit.rate {
                let time = Self.nanoseconds(rate.time)
                let fullAt = max(bucket.fullAt, now.nanoseconds) + time / Int64(rate.count)
                let over = fullAt - now.nanoseconds - time
                if over > 0 { return .failure(LimitExcess(limit: limit.name, wait: .nanoseconds(over))) }
                bucket.fullAt = fullAt
            }
            bucket.running += 1
            changed.append((key, bucket))
        }
        let fresh = changed.count { buckets[$0.0] == nil }
        if buckets.count + fresh > bucketsMax { sweep(at: now) }
        guard buckets.count + fresh <= bucketsMax else {
            let name = keys.first.map { limits[$0.limit].name } ?? ""
            return .failure(LimitExcess(limit: name, wait: Self.sweepPause))
        }
        for (key, bucket) in changed { buckets[key] = bucket }
        return .success(Place(keys: keys))
    }

    /// A call is over.
    package mutating func leave(_ place: Place) {
        for key in place.keys { buckets[key]?.running -= 1 }
    }

    /// What is left of a limit for a caller, for whoever wants to know.
    package func left(
        of place: Int, for caller: Caller, from node: String?, at now: Instant
    ) -> (calls: Int?, running: Int)? {
        guard limits.indices.contains(place) else { return nil }
        let bucket = buckets[key(of: place, caller, node)]
        let calls = limits[place].rate.map { rate -> Int in
            let time = Self.nanoseconds(rate.time)
            let used = max(0, (bucket?.fullAt ?? 0) - now.nanoseconds)
            return Int(max(0, time - used) / (time / Int64(rate.count))).clamped(to: 0...rate.count)
        }
        return (calls, bucket?.running ?? 0)
    }

    // MARK: -

    private func key(of limit: Int, _ caller: Caller, _ node: String?) -> Key {
        guard !limits[limit].isShared else { return Key(limit: limit, caller: nil, node: nil) }
        let isNodes = PrincipalPattern.Door(rawValue: caller.issuer) != nil
        return Key(limit: limit, caller: caller, node: isNodes ? node : nil)
    }

    private mutating func sweep(at now: Instant) {
        if let sweptAt, now - sweptAt < Self.sweepPause { return }
        sweptAt = now
        buckets = buckets.filter { $0.value.running > 0 || $0.value.fullAt > now.nanoseconds }
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 { Int64(duration / .nanoseconds(1)) }
}

/// Why a call is not let in.
package struct LimitExcess: Error, Hashable, Sendable {
    package let limit: String
    /// After this long there is room again; `nil`: when a call ends.
    package let wait: Duration?
}

extension Int {
    fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
