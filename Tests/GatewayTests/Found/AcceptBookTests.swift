import Catalog
import Composition
import Discovery
import JSONSlice
import MartletTestKit
import Testing

@testable import Gateway

struct AcceptBookTests {
    private func server(
        _ service: String, _ url: String?, host: String = "10.0.0.1", interfaces: [String] = ["eth0"]
    ) -> FoundServer {
        FoundServer(
            name: "x", service: service, interfaces: interfaces, firstSeen: .zero,
            address: PeerAddress(host: host, port: 80), url: url)
    }

    private func rule(_ json: JSON) throws -> AcceptRule {
        try #require(ConfigSection.read(json) { AcceptRule(reading: &$0) }.value ?? nil)
    }

    private func lab() throws -> AcceptBook {
        AcceptBook([("lab", try rule(["service": "Lab *"]))])
    }

    @Test func `all patterns of a rule must fit, and a server without a URL fits none`() throws {
        let rule = try rule(["service": "Lab *", "address": "10.77.*", "interface": "eth1"])
        let good = server("Lab A", "http://x/", host: "10.77.2.1", interfaces: ["eth0", "eth1"])
        #expect(rule.fits(good))
        var other = good
        other.service = "Shop"
        #expect(!rule.fits(other))
        other = good
        other.url = nil
        #expect(!rule.fits(other))
        other = good
        other.interfaces = ["eth0"]
        #expect(!rule.fits(other))
        other = good
        other.address = PeerAddress(host: "10.78.2.1", port: 80)
        #expect(!rule.fits(other))
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

    @Test func `a service at another address is followed, another service only when its own is gone`() throws
    {
        var book = try lab()
        _ = book.take([server("Lab A", "http://a/")])
        let moved = server("Lab A", "http://a2/")
        #expect(book.take([server("Lab B", "http://b/"), moved]).map(\.url) == ["http://a2/"])
        #expect(book.take([server("Lab B", "http://b/")]).map(\.service) == ["Lab B"])
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
            (["accept": ["service": "x"], "headers": ["X-Key": "${secret:s}"]], "goes with no secret"),
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
}
