import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// The decisions of the entry node about subscriptions to single resources, in time that the tests make up.
struct SubscriptionBookTests {
    private typealias Book = SubscriptionBook<String>

    private static let start = ContinuousClock.now
    private static func after(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }
    private static let update: JSON = ["uri": "a:1"]
    private static let acknowledged = ResourceSubscription.acknowledged(uri: "a:1")
    private static let changed = CallEvent.notification(method: Method.resourcesUpdated, params: update)
    private static let away = CallEvent.failure(CallFailure(.ownerUnreachable, "away"))

    private var book = Book()

    private mutating func watch(at seconds: Double) throws -> (watcher: Int, effects: [Book.Effect]) {
        let taken = book.watch("k", uri: "a:1", at: Self.after(seconds))
        return try #require(taken)
    }

    /// One watcher, whose subscription stands: watcher 1, call 2.
    private mutating func standing() throws -> Int {
        let watcher = try watch(at: 0).watcher
        _ = book.take(Self.acknowledged, of: 2, at: Self.after(0), chance: 0)
        return watcher
    }

    @Test mutating func `many watchers of one resource are one call upstream, and the last ends it`() throws {
        let first = try watch(at: 0)
        #expect(first.effects == [.open(call: 2, "k"), .look("k")])
        let second = try watch(at: 0)
        #expect(second.effects.isEmpty)
        #expect(
            book.take(Self.acknowledged, of: 2, at: Self.after(1), chance: 0)
                == [.settle(watcher: first.watcher, nil), .settle(watcher: second.watcher, nil), .look("k")])
        let third = try watch(at: 2)
        #expect(third.effects == [.settle(watcher: third.watcher, nil)])
        #expect(
            book.take(Self.changed, of: 2, at: Self.after(3), chance: 0)
                == [.tell(watchers: [first, second, third].map(\.watcher), Self.update)])
        #expect(book.unwatch(first.watcher).isEmpty)
        #expect(book.unwatch(second.watcher).isEmpty)
        #expect(book.unwatch(third.watcher) == [.close(call: 2), .look("k")])
        #expect(book.count == 0 && book.watcherCount == 0 && !book.isOpen(2))
    }

    @Test mutating func `a refusal is told to those who wait, and nothing is kept of it`() throws {
        let watcher = try watch(at: 0).watcher
        let error = RPCError.unknownResource(uri: "a:1")
        #expect(
            book.take(.error(error.json), of: 2, at: Self.after(1), chance: 0)
                == [.settle(watcher: watcher, error), .look("k")])
        #expect(book.count == 0 && book.watcherCount == 0)
        // An acknowledgement that honours nothing is a refusal too.
        let again = try watch(at: 2)
        let nothing = CallEvent.notification(
            method: Method.subscriptionsAcknowledged, params: ["notifications": [:]])
        let effects = book.take(nothing, of: again.watcher + 1, at: Self.after(2), chance: 0)
        #expect(effects.contains(.settle(watcher: again.watcher, error)))
        #expect(effects.contains(.close(call: again.watcher + 1)))
        #expect(book.count == 0)
    }

    @Test
    mutating func `an owner that is away is tried again, later each time, and then a miss is told once`()
        throws
    {
        let watcher = try watch(at: 0).watcher
        #expect(
            book.take(Self.away, of: 2, at: Self.after(0), chance: 1)
                == [.settle(watcher: watcher, nil), .look("k")])
        #expect(book.nextLook(at: "k") == Self.after(1))
        #expect(book.wake("k", at: Self.after(1), chance: 1) == [.open(call: 3, "k")])
        _ = book.take(Self.away, of: 3, at: Self.after(1), chance: 1)
        #expect(book.nextLook(at: "k") == Self.after(3))
        #expect(book.wake("k", at: Self.after(3), chance: 1) == [.open(call: 4, "k")])
        #expect(
            book.take(Self.acknowledged, of: 4, at: Self.after(4), chance: 1)
                == [.tell(watchers: [watcher], Self.update), .look("k")])
    }

    @Test mutating func `a subscription that breaks is opened again, and a miss is told`() throws {
        let watcher = try standing()
        _ = book.take(.result(["resultType": "complete"]), of: 2, at: Self.after(100), chance: 1)
        #expect(book.nextLook(at: "k") == Self.after(101))
        #expect(book.wake("k", at: Self.after(101), chance: 1) == [.open(call: 3, "k")])
        #expect(
            book.take(Self.acknowledged, of: 3, at: Self.after(102), chance: 1)
                == [.tell(watchers: [watcher], Self.update), .look("k")])
        // What one told before is not told again.
        #expect(book.take(Self.changed, of: 2, at: Self.after(110), chance: 1).isEmpty)
    }

    @Test
    mutating func `the next call takes over before the lease's last one is let go, and nothing is missed`()
        throws
    {
        _ = try standing()
        #expect(book.nextLook(at: "k") == Self.after(600))
        #expect(book.wake("k", at: Self.after(600), chance: 0) == [.open(call: 3, "k")])
        // The old one still tells.
        #expect(book.take(Self.changed, of: 2, at: Self.after(600), chance: 0).count == 1)
        #expect(
            book.take(Self.acknowledged, of: 3, at: Self.after(601), chance: 0)
                == [.close(call: 2), .look("k")])
        #expect(book.nextLook(at: "k") == Self.after(1201))
    }

    @Test mutating func `a renewal that fails leaves the old call in place and is tried again`() throws {
        let watcher = try standing()
        _ = book.wake("k", at: Self.after(600), chance: 1)
        #expect(book.take(Self.away, of: 3, at: Self.after(600), chance: 1) == [.look("k")])
        #expect(book.isOpen(2) && book.nextLook(at: "k") == Self.after(601))
        #expect(
            book.take(Self.changed, of: 2, at: Self.after(600), chance: 1).first
                == .tell(watchers: [watcher], Self.update))
    }

    @Test mutating func `a burst is told at its begin and once at its end`() throws {
        let watcher = try standing()
        let told: Book.Effect = .tell(watchers: [watcher], Self.update)
        #expect(book.take(Self.changed, of: 2, at: Self.after(1), chance: 0) == [told])
        for _ in 0..<1_000 {
            #expect(!book.take(Self.changed, of: 2, at: Self.after(1.05), chance: 0).contains(told))
        }
        #expect(book.nextLook(at: "k") == Self.after(1) + .milliseconds(100))
        #expect(book.wake("k", at: Self.after(1.11), chance: 0) == [told, .look("k")])
        #expect(!book.wake("k", at: Self.after(1.3), chance: 0).contains(told))
        #expect(book.take(Self.changed, of: 2, at: Self.after(1.4), chance: 0) == [told])
    }

    @Test mutating func `a burst about too many parts of a resource is told as the whole`() throws {
        let watcher = try standing()
        for part in 0...SubscriptionLimits.standard.burstURIsMax + 1 {
            let params: JSON = ["uri": .string("a:1/\(part)")]
            _ = book.take(
                .notification(method: Method.resourcesUpdated, params: params), of: 2, at: Self.after(1),
                chance: 0)
        }
        #expect(
            book.wake("k", at: Self.after(2), chance: 0).prefix(1) == [
                .tell(watchers: [watcher], Self.update)
            ])
    }

    @Test mutating func `a server that gives no word keeps nobody waiting for ever`() throws {
        let watcher = try watch(at: 0).watcher
        #expect(book.nextLook(at: "k") == Self.after(5))
        #expect(book.wake("k", at: Self.after(5), chance: 0) == [.settle(watcher: watcher, nil)])
        // Told that it stands before it did, so what came before counts as missed.
        #expect(
            book.take(Self.acknowledged, of: 2, at: Self.after(20), chance: 0)
                == [.tell(watchers: [watcher], Self.update), .look("k")])
    }

    @Test func `there are bounds to resources and to watchers`() throws {
        var limits = SubscriptionLimits()
        limits.subscriptionsMax = 2
        limits.watchersMax = 3
        var book = Book(limits: limits)
        func watch(_ key: String) -> Int? { book.watch(key, uri: key, at: Self.after(0))?.watcher }
        #expect(watch("a") != nil)
        let second = try #require(watch("b"))
        #expect(watch("c") == nil)
        #expect(watch("b") != nil)
        #expect(watch("b") == nil)
        _ = book.unwatch(second)
        #expect(watch("b") != nil)
    }

    @Test(arguments: UInt64(1)...50)
    func `whatever happens, every call is of use to somebody and every resource has one`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var book = Book()
        var (open, watchers, now): ([Int: String], [Int], Double) = ([:], [], 0)
        func take(_ effects: [Book.Effect]) {
            for effect in effects {
                switch effect {
                case .open(let call, let key): open[call] = key
                case .close(let call): open[call] = nil
                case .settle(let watcher, .some): watchers.removeAll { $0 == watcher }
                default: break
                }
            }
        }
        for _ in 0..<400 {
            now += Double(random.next() % 2_000) / 10
            let key = ["a", "b", "c"][Int(random.next() % 3)]
            switch random.next() % 6 {
            case 0:
                if let taken = book.watch(key, uri: key, at: Self.after(now)) {
                    watchers.append(taken.watcher)
                    take(taken.effects)
                }
            case 1: if let gone = watchers.popLast() { take(book.unwatch(gone)) }
            case 2, 3:
                if let call = open.keys.sorted().last {
                    take(
                        book.take(
                            ResourceSubscription.acknowledged(uri: key), of: call, at: Self.after(now),
                            chance: 0.5))
                }
            case 4:
                if let call = open.keys.sorted().first {
                    open[call] = nil
                    take(book.take(Self.away, of: call, at: Self.after(now), chance: 0.5))
                }
            default: take(book.wake(key, at: Self.after(now), chance: 0.5))
            }
            for call in open.keys { #expect(book.isOpen(call)) }
            for key in ["a", "b", "c"] { #expect(open.values.filter { $0 == key }.count <= 2) }
        }
        for watcher in watchers { take(book.unwatch(watcher)) }
        #expect(open.isEmpty && book.count == 0)
    }
}
