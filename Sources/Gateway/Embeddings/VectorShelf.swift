import Catalog

/// What was used lately, up to a bound: two generations, of which the older one goes when the younger is full.
struct RecentShelf<Value> {
    private let halfMax: Int
    private var young: [ContentHash: Value] = [:]
    private var old: [ContentHash: Value] = [:]

    /// - Parameter countMax: of values kept, at least 2.
    init(countMax: Int) { halfMax = max(1, countMax / 2) }

    var count: Int { young.count + old.count }

    mutating func value(_ key: ContentHash) -> Value? {
        if let value = young[key] { return value }
        guard let value = old[key] else { return nil }
        put(value, at: key)
        return value
    }

    mutating func put(_ value: Value, at key: ContentHash) {
        if young.count >= halfMax, young[key] == nil {
            old = young
            young = [:]
        }
        young[key] = value
        old[key] = nil
    }

    mutating func empty() {
        young = [:]
        old = [:]
    }
}

/// A vector in a byte a component, rounded as an index would round it anyway.
struct PackedVector: Hashable, Sendable {
    private var components: [Int8]
    private var scale: Float

    /// - Parameter vector: of finite components.
    init(_ vector: [Float]) {
        let largest = vector.reduce(0) { max($0, abs($1)) }
        scale = largest / 127
        let factor = scale > 0 ? scale : 1
        components = vector.map { Int8(clamping: Int(($0 / factor).rounded())) }
    }

    var unpacked: [Float] { components.map { Float($0) * scale } }
}
