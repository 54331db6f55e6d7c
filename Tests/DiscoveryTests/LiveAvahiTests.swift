#if Avahi
    import Catalog
    import Discovery
    import Foundation
    import Testing

    /// Our wrapper on host `a` against Avahi's own tools on host `b`, with real daemons and a real segment
    /// between.
    ///
    /// libdbus reads the address of the bus once in a process's life; so each test has a process of its own.
    /// That process stays outside of the rig's network: it needs only the path of the host's bus.
    @Suite(.onRig, .serialized, .timeLimit(.minutes(2)))
    struct LiveAvahiTests {
        private static let foreign = NodeID(ofKey: [7])

        private func withRig(_ body: (Rig) async throws -> Void) async throws {
            let rig = Rig(folder: NSTemporaryDirectory() + "martlet-discovery-\(getpid())")
            try await rig.run("up", "a=1", "b=1")
            do {
                try await body(rig)
            } catch {
                _ = try? await rig.run("down")
                throw error
            }
            try await rig.run("down")
        }

        @Test func `a peer is found with its id and address, and finds us, until either goes`() async throws {
            try await withRig { rig in
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig) { node in
                        try await node.wait { $0 == .publication(.published(name: "plant-a")) }
                        let seen = try await rig.run("on", "b", "avahi-browse", "-rtp", "_martlet._tcp")
                        let address = try await rig.run("address", "a", "1").trimmingCharacters(in: .newlines)
                        #expect(seen.contains("\(address);7332;\"v=1-2\" \"id=\(Node.me)\""))

                        let peer = try rig.start(
                            on: "b", "avahi-publish-service", "plant-b", "_martlet._tcp", "7000", "v=1",
                            "id=\(LiveAvahiTests.foreign)")
                        let found = try await node.wait { $0.sighting?.node == LiveAvahiTests.foreign }
                        let expected = try await rig.run("address", "b", "1").trimmingCharacters(
                            in: .newlines)
                        #expect(found.sighting?.address.description == "\(expected):7000")
                        #expect(found.sighting?.advertisement.versions == 1...1)

                        peer.terminate()
                        try await node.wait { if case .lost = $0 { true } else { false } }
                        #expect(node.discovery.now.sightings.isEmpty, "least of all ourselves")
                    }
                }
            }
        }

        @Test func `it outlives its daemon and its D-Bus, and announces again`() async throws {
            try await withRig { rig in
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig) { node in
                        try await node.wait { $0 == .publication(.published(name: "plant-a")) }
                        try await rig.run("avahi", "a", "kill")
                        try await node.wait { $0.isUnavailable }
                        try await node.wait { $0 == .state(.connecting) }
                        try await rig.run("avahi", "a", "up")
                        try await node.wait { $0 == .publication(.published(name: "plant-a")) }

                        try await rig.run("bus", "a", "down")
                        try await node.wait { $0.isUnavailable }
                        try await rig.run("avahi", "a", "kill")
                        try await rig.run("bus", "a", "up")
                        try await rig.run("avahi", "a", "up")
                        try await node.wait { $0 == .publication(.published(name: "plant-a")) }
                        #expect(node.discovery.now.state == .running)
                    }
                }
            }
        }

        @Test func `a name that another host holds gets a number behind it`() async throws {
            try await withRig { rig in
                let holder = try rig.start(
                    on: "b", "avahi-publish-service", "plant-a", "_martlet._tcp", "7000")
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig) { node in
                        try await node.wait { $0 == .publication(.published(name: "plant-a #2")) }
                    }
                }
                holder.terminate()
            }
        }
    }

    /// Skips, with the reason, where the machine gives us no network namespaces.
    private struct OnRig: SuiteTrait, TestTrait {
        func prepare(for test: Test) async throws {
            if let reason = await Rig.missing() {
                try Test.cancel("no rig on this machine: \(reason)")
            }
        }
    }

    extension Trait where Self == OnRig {
        fileprivate static var onRig: Self { OnRig() }
    }

    /// A running ``AvahiDiscovery`` and the reader of its events.
    private final class Node {
        static let me = NodeID(ofKey: [1])
        let discovery: AvahiDiscovery
        private var events: DiscoveryEvents.Iterator

        private struct Ended: Error {}

        private init(_ discovery: AvahiDiscovery) {
            self.discovery = discovery
            events = discovery.events.makeAsyncIterator()
        }

        /// Runs discovery over the bus of that host while `body` does.
        static func run(on host: String, of rig: Rig, _ body: (Node) async throws -> Void) async throws {
            setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.busAddress(of: host), 1)
            let announcement = try Announcement(
                name: #require(Label("plant-a")), port: 7332, families: .ipv4,
                advertisement: Advertisement(versions: 1...2, mesh: nil, node: me))
            let start = ContinuousClock.now
            let discovery = AvahiDiscovery(me: me, announcing: announcement) {
                Instant(nanoseconds: Int64((ContinuousClock.now - start) / .nanoseconds(1)))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await discovery.run() }
                defer { group.cancelAll() }
                try await body(Node(discovery))
            }
        }

        @discardableResult
        func wait(until isAwaited: (DiscoveryEvent) -> Bool) async throws -> DiscoveryEvent {
            while let event = await events.next(isolation: nil) {
                if isAwaited(event) { return event }
            }
            throw Ended()
        }
    }

    extension DiscoveryEvent {
        fileprivate var sighting: Sighting? {
            if case .found(let sighting) = self { sighting } else { nil }
        }

        fileprivate var isUnavailable: Bool {
            if case .state(.unavailable) = self { true } else { false }
        }
    }
#endif
