import Catalog
import Composition
import Discovery
import JSONSlice
import Logging
import MartletTestKit
import Testing

@testable import Gateway

struct AcceptBookTests {
    private func server(
        _ service: String, _ urls: String?..., host: String = "10.0.0.1", on hostName: String = "a.local",
        interfaces: [String] = ["eth0"], isOnLink: Bool = true
    ) -> FoundServer {
        FoundServer(
            name: "x", service: service, hostName: hostName, firstSeen: .zero,
            places: interfaces.flatMap { interface in
                urls.map {
                    FoundServer.Place(
                        interface: interface, address: PeerAddress(host: host, port: 80), url: $0,
                        isOnLink: isOnLink)
                }
            })
    }

    private func rule(_ json: JSON) throws -> AcceptRule {
        try #require(ConfigSection.read(json) { AcceptRule(reading: &$0) }.value ?? nil)
    }

    private func lab() throws -> AcceptBook {
        AcceptBook([("lab", try rule(["service": "Lab *"]))])
    }

    @Test func `all patterns of a rule must fit, and a server without a URL fits none`() throws {
        let rule = try rule(["service": "Lab *", "address": "10.77.*", "interface": "eth1"])
        func fits(
            _ service: String = "Lab A", _ url: String? = "http://x/", host: String = "10.77.2.1",
            _ interfaces: [String] = ["eth0", "eth1"], isOnLink: Bool = true
        ) -> Bool {
            rule.place(
                in: server(service, url, host: host, interfaces: interfaces, isOnLink: isOnLink)) != nil
        }
        #expect(fits())
        #expect(!fits("Shop"))
        #expect(!fits("Lab A", nil))
        #expect(!fits("Lab A", "http://x/", ["eth0"]))
        #expect(!fits(host: "10.78.2.1"))
        #expect(!fits(isOnLink: false), "an announcement can name any address in the world")
    }

    @Test func `the way that is taken is the one that fits`() throws {
        let rule = try rule(["interface": "eth1", "address": "10.77.*"])
        var both = server("Lab A", "http://10.0.0.1/")
        both.places.append(
            FoundServer.Place(
                interface: "eth1", address: PeerAddress(host: "10.77.2.1", port: 80),
                url: "http://10.77.2.1/"))
        #expect(rule.place(in: both)?.url == "http://10.77.2.1/")
    }

    @Test func `the first that fits is taken, and kept against later ones and over its absence`() throws {
        var book = try lab()
        let (a, b) = (server("Lab A", "http://a/"), server("Lab B", "http://b/"))
        #expect(book.take([server("Shop", "http://s/")]).isEmpty)
        #expect(book.take([a, b]).map(\.url) == ["http://a/"])
        #expect(book.take([b, a]).isEmpty)
        #expect(book.take([]).isEmpty, "a goodbye says nothing of the server")
        #expect(book.take([a]).isEmpty)
    }

    @Test func `a service at another address is followed, another service never`() throws {
        var book = try lab()
        _ = book.take([server("Lab A", "http://a/")])
        let moved = server("Lab A", "http://a2/")
        #expect(book.take([server("Lab B", "http://b/"), moved]).map(\.url) == ["http://a2/"])
        #expect(book.take([server("Lab B", "http://b/")]).isEmpty, "whoever sends a goodbye takes no place")
        #expect(book.take([server("Lab A", "http://evil/", on: "evil.local")]).isEmpty, "nor with its name")
        #expect(book.take([moved]).isEmpty)
    }

    @Test func `ways to a server that come and go change nothing while the one that is used is there`() throws
    {
        var book = try lab()
        #expect(book.take([server("Lab A", "http://a/")]).map(\.url) == ["http://a/"])
        #expect(book.take([server("Lab A", "http://a0/", "http://a/")]).isEmpty)
        #expect(book.take([server("Lab A", "http://a/", "http://a0/")]).isEmpty)
        #expect(book.take([server("Lab A", "http://a0/")]).map(\.url) == ["http://a0/"])
    }

    @Test func `what was accepted has moved only when its old address is found no more`() throws {
        let accepted = try ServerDefinition(
            name: "lab",
            json: ["url": "http://a/mcp", "service": "Lab Tools", "serviceHost": "a.local"])
        let (own, elsewhere) = (server("Lab Tools", "http://a/mcp"), server("Lab Tools", "http://a2/mcp"))
        #expect(elsewhere.moved(from: [accepted], whileFinding: [elsewhere])?.name == "lab")
        #expect(elsewhere.moved(from: [accepted], whileFinding: [own, elsewhere]) == nil)
        #expect(own.moved(from: [accepted], whileFinding: [own]) == nil)
        let duplicate = server("Lab Tools", "http://b/mcp", on: "b.local")
        #expect(duplicate.moved(from: [accepted], whileFinding: [duplicate]) == nil, "two hosts, two servers")
        let twoWays = server("Lab Tools", "http://a9/mcp", "http://a/mcp")
        #expect(twoWays.moved(from: [accepted], whileFinding: [twoWays]) == nil)
        #expect(try ServerDefinition(name: "lab", json: accepted.json) == accepted)
    }

    @Test func `two rules do not take one server`() throws {
        let any = try rule(["service": "*"])
        var book = AcceptBook([("one", any), ("two", any)])
        let (a, b) = (server("A", "http://a/"), server("B", "http://b/"))
        #expect(book.take([a]).map(\.rule) == ["one"])
        #expect(book.take([a, b]).map(\.rule) == ["two"])
    }

    @Test(
        arguments: [
            (["accept": [:]], "takes whatever is announced"),
            (["accept": ["service": "x"], "url": "http://x/"], "goes with neither url nor command"),
            (["accept": ["service": "x"], "auth": ["bearer": ["secret": "s"]]], "goes with no secret"),
            (["accept": ["service": "x"], "headers": ["X-Key": "${secret:s}"]], "go with no accept"),
            (
                ["accept": ["service": "x"], "headers": ["Authorization": "Bearer s3cr3t"]],
                "go with no accept"
            ),
            (["accept": ["services": "x"]], "accept.services"),
        ] as [(JSON, String)])
    func `a rule that would take anything, or give a secret to whoever comes, is refused`(
        json: JSON, why: String
    ) {
        let error = #expect(throws: ConfigProblems.self) { try ServerDefinition(name: "lab", json: json) }
        #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
    }

    @Test func `a rule's server waits, says what for, and has its URL when it is found`() throws {
        var definition = try ServerDefinition(
            name: "lab", json: ["accept": ["service": "Lab *"], "tags": ["found"]])
        #expect(definition.isAwaited && definition.url == nil)
        let book = ServerBook(definition: definition, origin: .command, at: .now())
        #expect(book.state == .down && book.reason.contains("accept"))
        definition.move(to: "http://10.0.0.1/mcp")
        #expect(!definition.isAwaited && definition.url == "http://10.0.0.1/mcp")
        #expect(
            definition.json == ["tags": ["found"], "accept": ["service": "Lab *"]], "the rule is what is kept"
        )
    }
}

struct AnnouncementTests {
    private let node: (Label, NodeID) = ("gw", NodeID(ofKey: [1]))

    @Test(arguments: ["127.0.0.1", "::1", "localhost"])
    func `nothing is announced of a listener on loopback`(host: String) {
        let servers = [AdvertisedServer(name: "ops", title: nil)]
        #expect(FoundDesk.announcement(of: servers, at: (host, 7330), node: node) == nil)
    }

    @Test func `each virtual server is a service of its own, whose name fits and says where`() throws {
        let long = String(repeating: "ä", count: 200)
        let servers = [AdvertisedServer(name: "ops", title: long), AdvertisedServer(name: "lab", title: nil)]
        let made = try #require(FoundDesk.announcement(of: servers, at: ("0.0.0.0", 7330), node: node))
        #expect(made.services.map(\.name) == ["ops at gw", "lab at gw"])
        #expect(made.services.allSatisfy { $0.port == 7330 && $0.name.utf8.count <= 63 })
        for service in made.services {
            #expect(service.text.reduce(0) { $0 + $1.utf8.count + 1 } < 400)
        }
        #expect(FoundDesk.announcement(of: [], at: ("0.0.0.0", 7330), node: node) == nil)
    }

    @Test func `only so many are announced, the first by name`() throws {
        let servers = try (0..<100).map { number in
            AdvertisedServer(name: try #require(Label("v\(number)")), title: nil)
        }
        let made = try #require(FoundDesk.announcement(of: servers, at: ("0.0.0.0", 7330), node: node))
        #expect(made.services.count == AdvertisedServer.countMax)
    }

    @Test func `what is announced is made anew only for another catalog, or another name of the node`() {
        let desk = FoundDesk(
            me: node.1, isOff: false, rules: [], log: Logger(label: "test"), now: { .zero })
        var asked = 0
        func announce(_ version: UInt64, _ label: Label = "gw") {
            desk.announce(asOf: version, at: ("0.0.0.0", 7330), node: (label, node.1)) {
                asked += 1
                return []
            }
        }
        announce(1)
        announce(1)
        #expect(asked == 1)
        announce(2)
        announce(2, "gw-2")
        announce(2, "gw-2")
        #expect(asked == 3)
    }
}
