import Catalog
import Testing

@testable import Discovery

struct MCPAdvertisementTests {
    private func read(_ strings: String...) -> MCPAdvertisement {
        MCPAdvertisement(strings: strings.map { Array($0.utf8) })
    }

    @Test(
        arguments: [
            ([], .http(port: nil, path: "/mcp", isEncrypted: false)),
            (["path=/api/mcp"], .http(port: nil, path: "/api/mcp", isEncrypted: false)),
            (["PATH=x", "tls=1"], .http(port: nil, path: "/x", isEncrypted: true)),
            (["mcp_path=/m"], .http(port: nil, path: "/m", isEncrypted: false)),
            (["http=8080/mcp", "path=/y"], .http(port: 8080, path: "/mcp", isEncrypted: false)),
            (["http=8080"], .http(port: 8080, path: "/mcp", isEncrypted: false)),
            (["proto=2025-11-25"], .http(port: nil, path: "/mcp", isEncrypted: false)),
            (["proto=ndjson"], .lines),
            (["proto=ndjson", "http=80/mcp"], .http(port: 80, path: "/mcp", isEncrypted: false)),
            (["http=0/mcp", "http=99999/mcp"], .http(port: nil, path: "/mcp", isEncrypted: false)),
        ] as [([String], MCPAdvertisement.Way)])
    func `the keys of all products are read, and the first of two counts`(
        strings: [String], way: MCPAdvertisement.Way
    ) {
        #expect(MCPAdvertisement(strings: strings.map { Array($0.utf8) }).way == way)
    }

    @Test func `a name is for people`() {
        #expect(read("name=Lab").title == "Lab")
        #expect(read("name=").title == nil && read("name").title == nil)
    }

    @Test func `what this node announces it reads itself, and it stays under 400 bytes`() {
        let strings = MCPAdvertisement.strings(
            name: String(repeating: "x", count: 100),
            path: "/servers/\(String(repeating: "o", count: 32))/mcp",
            port: 7330, software: "0.1.0", revision: "2026-07-28", node: NodeID(ofKey: [1]).description)
        let read = MCPAdvertisement(strings: strings.map { Array($0.utf8) })
        #expect(
            read.way
                == .http(
                    port: 7330, path: "/servers/\(String(repeating: "o", count: 32))/mcp", isEncrypted: false)
        )
        #expect(Advertisement(strings: strings.map { Array($0.utf8) }).node == NodeID(ofKey: [1]))
        #expect(strings.reduce(0) { $0 + $1.utf8.count + 1 } < 400)
    }
}

struct FoundServersTests {
    private func sighting(
        _ service: String, host: String = "10.0.0.1", port: UInt16 = 80, hostName: String = "gw.local",
        interface: Int32 = 2, family: ServiceInstance.Family = .ipv4, text: [String] = [],
        at second: Int64 = 0
    ) -> Sighting {
        Sighting(
            instance: ServiceInstance(
                name: service, domain: "local", interfaceIndex: interface, family: family),
            interfaceName: "eth\(interface)", address: PeerAddress(host: host, port: port),
            advertisement: Advertisement(versions: nil, mesh: nil, node: nil),
            firstSeen: Instant(nanoseconds: second * 1_000_000_000), hostName: hostName,
            text: text.map { Array($0.utf8) })
    }

    @Test func `a service on two interfaces and in two families is one server, by IPv4`() {
        var found = FoundServers()
        found.update(
            [
                sighting("Lab", host: "fd00::1", interface: 3, family: .ipv6, at: 1),
                sighting("Lab", host: "10.0.0.2", interface: 3, at: 5),
                sighting("Lab", host: "10.0.0.1", at: 9),
            ], from: Vantage())
        #expect(found.all.map(\.name.text) == ["lab"])
        #expect(found.all.first?.url == "http://10.0.0.1:80/mcp")
        #expect(
            found.all.first?.urls == [
                "http://10.0.0.1:80/mcp", "http://10.0.0.2:80/mcp", "http://[fd00::1]:80/mcp",
            ])
        #expect(found.all.first?.interfaces == ["eth2", "eth3"])
        #expect(found.all.first?.firstSeen == Instant(nanoseconds: 1_000_000_000))
    }

    @Test func `two hosts with one name are two servers, and each keeps its own while it is there`() {
        var found = FoundServers()
        let (one, two) = (sighting("Lab", hostName: "a.local"), sighting("Lab", hostName: "b.local", at: 1))
        found.update([one, two], from: Vantage())
        #expect(found.all.map(\.name.text) == ["lab", "lab-2"])
        found.update([two], from: Vantage())
        #expect(found.all.map(\.name.text) == ["lab-2"], "a name does not move to another server")
        found.update([], from: Vantage())
        #expect(found.all.isEmpty)
        found.update([two], from: Vantage())
        #expect(found.all.map(\.name.text) == ["lab"], "what was gone is new")
    }

    @Test(
        arguments: [
            "path=/../etc", "path=/a//b", "path=/mcp?x=1", "path=/mcp#x", "path=/m cp",
            "path=/mcp\r\nHost: evil",
            "path=/\u{7f}", "path=/grüß", "path=/%2e%2e/x", "path=//evil.example/mcp", "proto=ndjson",
            "path=" + String(repeating: "x", count: 300),
        ])
    func `what leads elsewhere or is no path has no URL, and says why`(text: String) {
        var found = FoundServers()
        found.update([sighting("Evil", text: [text])], from: Vantage())
        #expect(found.all.first?.url == nil)
        #expect(found.all.first?.obstacle?.isEmpty == false)
    }

    @Test(arguments: ["fe80::1%eth2", "169.254.3.4", "::ffff:169.254.3.4"])
    func `an address that is valid on one link only is none to accept`(host: String) {
        var found = FoundServers()
        found.update([sighting("Lab", host: host, family: .ipv6)], from: Vantage())
        #expect(found.all.first?.url == nil && found.all.first?.obstacle?.contains("link") == true)
        found.update([sighting("Lab", host: "fd00::1", family: .ipv6)], from: Vantage())
        #expect(found.all.first?.url == "http://[fd00::1]:80/mcp")
    }

    @Test func `what leads back to this node, or is another's of its mesh, is none to accept`() throws {
        let (member, stranger) = (NodeID(ofKey: [1]), NodeID(ofKey: [2]))
        let vantage = Vantage(
            network: LocalNetwork([("eth2", "10.0.0.7/24"), ("eth2", "fd00::7/64")]), ownPorts: [7330, 7332],
            members: [member: "plant"])
        func obstacle(_ sighting: Sighting) -> String? {
            var found = FoundServers()
            found.update([sighting], from: vantage)
            #expect((found.all.first?.url == nil) == (found.all.first?.obstacle != nil))
            return found.all.first?.obstacle
        }
        let itself = "it leads back to this node itself"
        #expect(obstacle(sighting("x", host: "10.0.0.7", port: 7330)) == itself)
        #expect(obstacle(sighting("x", host: "::ffff:10.0.0.7", port: 7330)) == itself)
        #expect(obstacle(sighting("x", host: "fd00::7", port: 1, text: ["http=7332/mcp"])) == itself)
        #expect(obstacle(sighting("x", host: "10.0.0.7", port: 80)) == nil, "another server of this host")
        var other = sighting("x", host: "10.0.0.8", port: 7330)
        #expect(obstacle(other) == nil)
        other.advertisement.node = stranger
        #expect(obstacle(other) == nil)
        other.advertisement.node = member
        #expect(obstacle(other)?.contains("plant") == true)
    }

    @Test func `an address is on the link when a subnet of that interface holds it`() {
        let vantage = Vantage(network: LocalNetwork([("eth2", "10.0.0.7/23"), ("eth3", "192.0.2.1/24")]))
        func isOnLink(_ host: String, _ interface: Int32) -> Bool? {
            var found = FoundServers()
            found.update([sighting("x", host: host, interface: interface)], from: vantage)
            return found.all.first?.places.first?.isOnLink
        }
        #expect(isOnLink("10.0.1.200", 2) == true && isOnLink("10.0.2.1", 2) == false)
        #expect(isOnLink("10.0.1.200", 3) == false && isOnLink("192.0.2.9", 3) == true)
        #expect(isOnLink("fd00::1", 2) == false)
    }

    @Test func `this host's own interfaces are read`() throws {
        let loopback = try #require(IPAddress("127.0.0.1"))
        #expect(LocalNetwork.now().isOnLink(loopback, of: "lo"))
    }

    @Test func `ten thousand services are followed to the bound, under names of their own`() {
        var book = SightingBook(me: NodeID(ofKey: [0]))
        var resolved = 0
        for number in 0..<10_000 {
            let instance = ServiceInstance(
                name: "\u{1b}[31m Fake\n\(number)", domain: "local", interfaceIndex: 2, family: .ipv4)
            guard !book.handle(.appeared(instance), at: .zero).isEmpty else { continue }
            resolved += 1
            _ = book.handle(
                .resolved(
                    instance, interfaceName: "eth0", address: PeerAddress(host: "10.0.0.1", port: 80),
                    Advertisement(versions: nil, mesh: nil, node: nil), hostName: "h\(number).local",
                    text: Array(repeating: Array(repeating: 0xff, count: 255), count: 32)), at: .zero)
        }
        #expect(resolved == SightingBook.instancesMax && book.ignored == 10_000 - resolved)
        var found = FoundServers()
        found.update(book.sightings, from: Vantage())
        #expect(Set(found.all.map(\.name)).count == SightingBook.instancesMax)
    }

    @Test func `names that leave nothing, or are all the same, still differ`() {
        var found = FoundServers()
        found.update((0..<300).map { sighting("💡", hostName: "h\($0).local") }, from: Vantage())
        #expect(Set(found.all.map(\.name)).count == SightingBook.instancesMax)
        #expect(found.all.first?.name.text == "mcp-server")
    }
}
