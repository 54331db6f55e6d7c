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
        enum Limit: Hashable {
            case configured(Int)
            case stated(StatedLimit.Key)
        }

        let limit: Limit
        /// `nil`: all who share it.
        let caller: Caller?
        /// Where an identity is the node's own, another node's of the same name is another.
        let node: String?
    }

    /// What one bucket is held to.
    private struct Bound {
        let key: Key
        let rate: CallRate?
        let concurrency: Int?
        let name: LimitExcess.Name
    }

    private struct Bucket {
        /// When it is full again; past: it is full.
        var fullAt: Int64
        var running: Int
        /// What it was filled by.
        var rate: CallRate?

        /// Of a rate that is said anew as much is used up as was of the old one: a looser one is not held up by what a stricter one would
        /// have taken to fill, and a stricter one gives nothing away.
        mutating func hold(to rate: CallRate?, at now: Instant) {
            guard let rate, rate != self.rate else { return }
            let old = self.rate
            self.rate = rate
            guard let old else { return }
            let (was, time) = (LimitBook.nanoseconds(old.time), LimitBook.nanoseconds(rate.time))
            // No more than all of it, so that the division has room.
            let used = min(max(0, fullAt - now.nanoseconds), was)
            let (share, rest) = was.dividingFullWidth(used.multipliedFullWidth(by: time))
            fullAt = now.nanoseconds + share + (rest > 0 ? 1 : 0)
        }
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
    ///   - stated: operators' limits on what is called; all callers share them.
    ///   - node: the entry node.
    package mutating func enter(
        _ places: [Int], _ stated: [StatedLimit] = [], as caller: Caller, from node: String?, at now: Instant
    ) -> Result<Place, LimitExcess> {
        let bounds =
            places.filter(limits.indices.contains).map { place in
                let limit = limits[place]
                return Bound(
                    key: key(of: place, caller, node), rate: limit.rate, concurrency: limit.concurrency,
                    name: .configured(limit.name))
            } + stated.map(Self.bound)
        guard let first = bounds.first else { return .success(.none) }
        var changed: [(Key, Bucket)] = []
        for bound in bounds {
            var bucket =
                buckets[bound.key] ?? Bucket(fullAt: now.nanoseconds, running: 0, rate: bound.rate)
            if let rate = bound.rate, rate != bucket.rate {
                bucket.hold(to: rate, at: now)
                // Whether the call is let in or not: from now on it fills at the new rate.
                if buckets[bound.key] != nil { buckets[bound.key] = bucket }
            }
            if let most = bound.concurrency, bucket.running >= most {
                return .failure(LimitExcess(limit: bound.name, wait: nil))
            }
            if let rate = bound.rate {
                let time = Self.nanoseconds(rate.time)
                let fullAt = max(bucket.fullAt, now.nanoseconds) + time / Int64(rate.count)
                let over = fullAt - now.nanoseconds - time
                if over > 0 { return .failure(LimitExcess(limit: bound.name, wait: .nanoseconds(over))) }
                bucket.fullAt = fullAt
            }
            bucket.running += 1
            changed.append((bound.key, bucket))
        }
        let fresh = changed.count { buckets[$0.0] == nil }
        if buckets.count + fresh > bucketsMax { sweep(at: now) }
        guard buckets.count + fresh <= bucketsMax else {
            return .failure(LimitExcess(limit: first.name, wait: Self.sweepPause))
        }
        for (key, bucket) in changed { buckets[key] = bucket }
        return .success(Place(keys: bounds.map(\.key)))
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
        return left(of: buckets[key(of: place, caller, node)], limits[place].rate, at: now)
    }

    /// The same of an operator's limit.
    package func left(of limit: StatedLimit, at now: Instant) -> (calls: Int?, running: Int) {
        let bound = Self.bound(limit)
        return left(of: buckets[bound.key], bound.rate, at: now)
    }

    private func left(of bucket: Bucket?, _ rate: CallRate?, at now: Instant) -> (calls: Int?, running: Int) {
        var bucket = bucket
        bucket?.hold(to: rate, at: now)
        let calls = rate.map { rate -> Int in
            let time = Self.nanoseconds(rate.time)
            let used = max(0, (bucket?.fullAt ?? 0) - now.nanoseconds)
            return Int(max(0, time - used) / (time / Int64(rate.count))).clamped(to: 0...rate.count)
        }
        return (calls, bucket?.running ?? 0)
    }

    // MARK: -

    private func key(of limit: Int, _ caller: Caller, _ node: String?) -> Key {
        guard !limits[limit].isShared else { return Key(limit: .configured(limit), caller: nil, node: nil) }
        let isNodes = PrincipalPattern.Door(rawValue: caller.issuer) != nil
        return Key(limit: .configured(limit), caller: caller, node: isNodes ? node : nil)
    }

    private static func bound(_ limit: StatedLimit) -> Bound {
        Bound(
            key: Key(limit: .stated(limit.key), caller: nil, node: nil), rate: limit.allowance.rate,
            concurrency: limit.allowance.concurrency, name: .stated(limit))
    }

    private mutating func sweep(at now: Instant) {
        if let sweptAt, now - sweptAt < Self.sweepPause { return }
        sweptAt = now
        buckets = buckets.filter { $0.value.running > 0 || $0.value.fullAt > now.nanoseconds }
    }

    fileprivate static func nanoseconds(_ duration: Duration) -> Int64 { Int64(duration / .nanoseconds(1)) }
}

/// Why a call is not let in.
package struct LimitExcess: Error, Hashable, Sendable {
    package enum Name: Hashable, Sendable {
        /// By what the configuration calls it.
        case configured(String)
        case stated(StatedLimit)
    }

    package let limit: Name
    /// After this long there is room again; `nil`: when a call ends.
    package let wait: Duration?

    package init(limit: Name, wait: Duration?) {
        self.limit = limit
        self.wait = wait
    }
}

extension Int {
    fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
