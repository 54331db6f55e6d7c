import Policy
import Testing

struct BackendGuardTests {
    private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test(arguments: [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1", "fd12::1", "1.1.1.1",
    ])
    func `a backend may be wherever a person named it, by address or by name`(text: String) throws {
        var places = BackendGuard(FetchGuard())
        let address = try Self.address(text)
        #expect(places.objection(to: address, host: text, setting: "s") == nil)
        #expect(places.objection(to: address, host: "press.plant.example", setting: "s") == nil)
    }

    @Test(arguments: ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"])
    func `no name leads to where clouds hand out credentials`(text: String) throws {
        var places = BackendGuard(FetchGuard())
        let address = try Self.address(text)
        #expect(places.objection(to: address, host: "press.example", setting: "auth.fetch.allow") != nil)
        #expect(places.objection(to: address, host: text, setting: "s") == nil, "spelled out, it was meant")
    }

    @Test(arguments: ["127.0.0.1", "10.1.2.3", "::ffff:127.0.0.1", "fe80::1"])
    func `a name that has led outside is not followed inside`(inside: String) throws {
        var places = BackendGuard(FetchGuard())
        #expect(
            places.objection(to: try Self.address("1.1.1.1"), host: "API.example.com", setting: "s") == nil)
        let denial = places.objection(
            to: try Self.address(inside), host: "api.example.com", setting: "auth.fetch.allow")
        #expect(denial?.text.contains("auth.fetch.allow") == true)
        #expect(
            places.objection(to: try Self.address("1.0.0.1"), host: "api.example.com", setting: "s") == nil)
        #expect(
            places.objection(to: try Self.address(inside), host: "other.example.com", setting: "s") == nil)
        let range = try #require(AddressRange("127.0.0.0/8"))
        var allowing = BackendGuard(FetchGuard(allowed: [range]))
        _ = allowing.objection(to: try Self.address("1.1.1.1"), host: "api.example.com", setting: "s")
        #expect(
            allowing.objection(to: try Self.address("127.0.0.1"), host: "api.example.com", setting: "s")
                == nil)
    }

    @Test func `what was only found has nobody's word, also where it spells an address`() throws {
        let fetch = FetchGuard()
        for (host, text) in [
            ("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("::1", "::1"),
        ] {
            let address = try Self.address(text)
            #expect(fetch.objection(to: address, host: host, setting: "s", by: .found) != nil)
            #expect(fetch.objection(to: address, host: host, setting: "s", by: .named) == nil)
        }
        #expect(
            fetch.objection(to: try Self.address("1.1.1.1"), host: "a.example", setting: "s", by: .found)
                == nil)
    }
}
