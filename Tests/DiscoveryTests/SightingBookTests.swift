import Catalog
import Testing

@testable import Discovery

struct SightingBookTests {
    private static let me = NodeID(ofKey: [0])
    private static let peer = NodeID(ofKey: [1])
    private var book = SightingBook(me: me)

    private func instance(
        _ name: String, interface: Int32 = 2, family: ServiceInstance.Family = .ipv4
    ) -> ServiceInstance {
        ServiceInstance(name: name, domain: "local", interfaceIndex: interface, family: family)
    }

    private func resolved(
        _ instance: ServiceInstance, node: NodeID? = peer, host: String = "192.0.2.1", port: UInt16 = 7332,
        on interface: String = "eth0"
    ) -> SightingBook.News {
        .resolved(
            instance, interfaceName: interface, address: PeerAddress(host: host, port: port),
            Advertisement(versions: 1...1, mesh: nil, node: node))
    }

    private func seconds(_ count: Int64) -> Instant { Instant(nanoseconds: count * 1_000_000_000) }

    @Test mutating func `what appears is resolved, and then is a sighting that knows since when`() {
        let one = instance("plant-a")
        #expect(book.handle(.appeared(one), at: seconds(1)) == [.resolve(one)])
        #expect(book.sightings.isEmpty)
        #expect(book.handle(resolved(one), at: seconds(2)).isEmpty)
        #expect(book.sightings.map(\.address.description) == ["192.0.2.1:7332"])
        _ = book.handle(resolved(one, host: "192.0.2.9"), at: seconds(9))
        #expect(book.sightings.map(\.address.description) == ["192.0.2.9:7332"], "news replaces it")
        #expect(book.sightings.map(\.firstSeen) == [seconds(2)])
    }

    @Test mutating func `one peer on two interfaces and in two families is so many sightings, in order`() {
        let all = [
            instance("a", interface: 2), instance("a", interface: 2, family: .ipv6),
            instance("a", interface: 3),
        ]
        for one in all.reversed() {
            _ = book.handle(.appeared(one), at: .zero)
            _ = book.handle(resolved(one), at: .zero)
        }
        #expect(book.sightings.map(\.instance) == all)
    }

    @Test mutating func `ourselves, addresses that are no host's and a port of zero are no sightings`() {
        let useless = [
            resolved(instance("me"), node: Self.me), resolved(instance("l"), host: "127.0.0.1", on: "eth0"),
            resolved(instance("l6"), host: "::1"), resolved(instance("lo"), on: "lo"),
            resolved(instance("zero"), port: 0), resolved(instance("mapped"), host: "::ffff:127.0.0.1"),
            resolved(instance("any"), host: "0.0.0.0"), resolved(instance("any6"), host: "::"),
            resolved(instance("many"), host: "224.0.0.251"), resolved(instance("many6"), host: "ff02::fb"),
            resolved(instance("all"), host: "255.255.255.255"),
        ]
        for name in [
            "me", "l", "l6", "lo", "zero", "mapped", "any", "any6", "many", "many6", "all",
        ] { _ = book.handle(.appeared(instance(name)), at: .zero) }
        for news in useless { #expect(book.handle(news, at: .zero).isEmpty) }
        #expect(book.sightings.isEmpty)
    }

    @Test mutating func `a peer that says no id is a sighting all the same`() {
        _ = book.handle(.appeared(instance("x")), at: .zero)
        _ = book.handle(resolved(instance("x"), node: nil), at: .zero)
        #expect(book.sightings.count == 1)
    }

    @Test mutating func `what vanishes is no sighting any more, and news of the unknown is dropped`() {
        let one = instance("a")
        _ = book.handle(.appeared(one), at: .zero)
        _ = book.handle(resolved(one), at: .zero)
        #expect(book.handle(.vanished(one), at: .zero) == [.stopResolving(one)])
        #expect(book.handle(.vanished(one), at: .zero).isEmpty)
        #expect(book.handle(resolved(one), at: .zero).isEmpty)
        #expect(book.handle(.unresolvable(one), at: .zero).isEmpty)
        #expect(book.sightings.isEmpty)
    }

    @Test mutating func `what does not resolve is tried again, ever less eagerly`() {
        let one = instance("dead-host")
        _ = book.handle(.appeared(one), at: .zero)
        var now = Instant.zero
        var waits: [Duration] = []
        for _ in 0..<5 {
            #expect(book.handle(.unresolvable(one), at: now) == [.stopResolving(one)])
            guard let due = book.wakeAt else { break }
            waits.append(due - now)
            #expect(book.retry(at: now).isEmpty, "not before its time")
            now = due
            #expect(book.retry(at: now) == [.resolve(one)])
            #expect(book.wakeAt == nil)
        }
        #expect(waits == [.seconds(5), .seconds(15), .seconds(60), .seconds(60), .seconds(60)])
        _ = book.handle(resolved(one), at: now)
        #expect(book.sightings.count == 1)
    }

    @Test mutating func `a flood of names is followed only so far, and counted`() {
        for number in 0..<SightingBook.instancesMax {
            #expect(book.handle(.appeared(instance("n\(number)")), at: .zero).count == 1)
        }
        #expect(book.handle(.appeared(instance("one more")), at: .zero).isEmpty)
        #expect(book.ignored == 1)
        _ = book.handle(.vanished(instance("n7")), at: .zero)
        #expect(book.handle(.appeared(instance("one more")), at: .zero).count == 1)
        book.clear()
        #expect(book.ignored == 0 && book.sightings.isEmpty && book.wakeAt == nil)
    }
}

struct NeighbourhoodTests {
    private func sighting(_ name: String, port: UInt16 = 7332) -> Sighting {
        Sighting(
            instance: ServiceInstance(name: name, domain: "local", interfaceIndex: 2, family: .ipv4),
            interfaceName: "eth0", address: PeerAddress(host: "192.0.2.1", port: port),
            advertisement: Advertisement(versions: 1...1, mesh: nil, node: nil), firstSeen: .zero)
    }

    @Test func `the difference tells the state, then who is lost, then who is found or changed`() {
        let earlier = Neighbourhood(
            state: .connecting, sightings: [sighting("gone"), sighting("same"), sighting("moved")])
        let now = Neighbourhood(
            state: .running, publication: .pending,
            sightings: [sighting("moved", port: 9), sighting("new"), sighting("same")])
        #expect(
            now.events(since: earlier) == [
                .state(.running), .publication(.pending), .lost(sighting("gone")),
                .found(sighting("moved", port: 9)), .found(sighting("new")),
            ])
        #expect(now.events(since: now).isEmpty)
    }

    @Test func `a slow reader misses what came and went, never how things are`() async {
        let board = DiscoveryBoard()
        board.pin(Neighbourhood(state: .connecting))
        board.pin(Neighbourhood(state: .running, sightings: [sighting("brief")]))
        board.pin(Neighbourhood(state: .running, sightings: [sighting("stays")]))
        var events = DiscoveryEvents(board.snapshots).makeAsyncIterator()
        #expect(await events.next() == .state(.running))
        #expect(await events.next() == .found(sighting("stays")))
        board.close()
        #expect(await events.next() == .state(.off))
        #expect(await events.next() == .lost(sighting("stays")))
        #expect(await events.next() == nil)
        #expect(board.now == Neighbourhood())
    }
}
