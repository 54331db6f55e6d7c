#if Avahi
    import Catalog
    import Discovery
    import Foundation
    import MartletTestKit
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
                        try await node.wait { $0.publication == .published(name: "plant-a") }
                        let seen = try await rig.run("on", "b", "avahi-browse", "-rtp", "_martlet._tcp")
                        #expect(seen.contains(";7332;\"v=1-2\" \"id=\(Node.me)\""))

                        let peer = try rig.start(
                            on: "b", "avahi-publish-service", "plant-b", "_martlet._tcp", "7000", "v=1",
                            "id=\(LiveAvahiTests.foreign)")
                        try await node.wait { $0.sightings.count == 1 }
                        let found = try #require(node.discovery.now.sightings.first)
                        #expect(found.node == LiveAvahiTests.foreign)
                        #expect(try await found.address.description == "\(rig.address(of: "b", on: 1)):7000")
                        #expect(found.advertisement.versions == 1...1)

                        peer.signal(SIGTERM)
                        try await node.wait { $0.sightings.isEmpty }
                    }
                }
            }
        }

        @Test func `it outlives its daemon and its D-Bus, and announces again`() async throws {
            try await withRig { rig in
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig) { node in
                        try await node.wait { $0.publication == .published(name: "plant-a") }
                        try await rig.run("avahi", "a", "kill")
                        try await node.wait { $0.state == .connecting }
                        #expect(node.discovery.now.publication == .pending)
                        try await rig.run("avahi", "a", "up")
                        try await node.wait { $0.publication == .published(name: "plant-a") }

                        try await rig.run("bus", "a", "down")
                        try await node.wait { if case .unavailable = $0.state { true } else { false } }
                        try await rig.run("avahi", "a", "kill")
                        try await rig.run("bus", "a", "up")
                        try await rig.run("avahi", "a", "up")
                        try await node.wait { $0.publication == .published(name: "plant-a") }
                        #expect(node.discovery.now.state == .running)
                    }
                }
            }
        }

        @Test func `a name that is taken gets a number behind it`() async throws {
            try await withRig { rig in
                let holder = try rig.start(
                    on: "a", "avahi-publish-service", "plant-a", "_martlet._tcp", "7000")
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig, announcing: nil) { node in
                        try await node.wait { $0.sightings.count == 1 }
                        node.discovery.announce(Node.announcement)
                        try await node.wait { $0.publication == .published(name: "plant-a #2") }
                    }
                }
                holder.signal(SIGTERM)
            }
        }

        @Test func `of several services only the one whose name is taken gets another`() async throws {
            try await withRig { rig in
                let holder = try rig.start(on: "a", "avahi-publish-service", "ops", "_martlet._tcp", "7000")
                await #expect(processExitsWith: .success) { [rig = rig as Rig] in
                    try await Node.run(on: "a", of: rig, announcing: nil) { node in
                        try await node.wait { $0.sightings.count == 1 }
                        node.announce(["lab", "ops"], text: "v=1")
                        try await node.wait { $0.publication == .published(name: "lab, ops #2") }
                        // One that goes takes nothing with it, and what is said anew keeps its name.
                        node.announce(["ops", "press"], text: "v=2")
                        try await node.wait { $0.publication == .published(name: "ops #2, press") }
                        let seen = try await rig.browse(on: "b", untilGone: ";lab;")
                        #expect(!seen.contains(";lab;"), "\(seen)")
                        #expect(seen.split(separator: "\n").count { $0.hasSuffix("\"v=2\"") } == 2, "\(seen)")
                    }
                }
                holder.signal(SIGTERM)
            }
        }
    }

    extension Rig {
        /// What Avahi's own browser shows, once a service is gone or so many looks have shown it: a goodbye is a second old
        /// before it counts (RFC 6762 §10.1), and each look takes about as long.
        fileprivate func browse(on host: String, untilGone text: String) async throws -> String {
            var looks = 20
            var seen = text
            while seen.contains(text), looks > 0 {
                seen = try await run("on", host, "avahi-browse", "-rtp", "_martlet._tcp")
                looks -= 1
            }
            return seen
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

        static var announcement: Announcement {
            Announcement(
                name: "plant-a", port: 7332, families: .ipv4,
                advertisement: Advertisement(versions: 1...2, mesh: nil, node: me))
        }

        /// Runs discovery over the bus of that host while `body` does, in a process of its own.
        static func run(
            on host: String, of rig: Rig, announcing: Announcement? = announcement,
            _ body: (Node) async throws -> Void
        ) async throws {
            InheritedSockets.close()
            setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.busAddress(of: host), 1)
            let start = ContinuousClock.now
            let discovery = AvahiDiscovery(me: me, announcing: announcing) {
                Instant(nanoseconds: Int64((ContinuousClock.now - start) / .nanoseconds(1)))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await discovery.run() }
                defer { group.cancelAll() }
                try await body(Node(discovery))
            }
        }

        func announce(_ names: [String], text: String) {
            let services = names.map { Announcement.Service(name: $0, port: 7332, text: [text]) }
            discovery.announce(Announcement(families: .ipv4, services: services))
        }

        /// Returns as soon as things are as awaited; what came and went meanwhile does not matter.
        func wait(until isAwaited: (Neighbourhood) -> Bool) async throws {
            while !isAwaited(discovery.now) {
                guard await events.next(isolation: nil) != nil else { throw Ended() }
            }
        }
    }
#endif
