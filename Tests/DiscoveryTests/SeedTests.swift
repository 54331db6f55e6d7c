import Discovery
import Testing

struct SeedTests {
    @Test(arguments: [
        ("hq-gw1.example.net:7332", "hq-gw1.example.net", 7332),
        ("192.0.2.7:1", "192.0.2.7", 1),
        ("[2001:db8::1]:65535", "2001:db8::1", 65_535),
        ("[fe80::1%eth0]:7332", "fe80::1%eth0", 7332),
        ("plant_b:7332", "plant_b", 7332),
    ])
    func `a host and a port are a seed, and print as they were written`(
        text: String, host: String, port: UInt16
    ) throws {
        let address = PeerAddress(host: host, port: port)
        #expect(try Seed(parsing: text) == .address(address))
        #expect(address.description == text)
    }

    @Test(arguments: [
        ("", SeedError.badHost("")),
        ("host", .noPort("host")),
        ("host:", .noPort("host:")),
        ("host:0", .badPort("host:0")),
        ("host:65536", .badPort("host:65536")),
        ("host:+80", .badPort("host:+80")),
        ("host:٧", .badPort("host:٧")),
        (":7332", .badHost(":7332")),
        ("a b:7332", .badHost("a b:7332")),
        ("2001:db8::1:7332", .bracketsMissing("2001:db8::1:7332")),
        ("[2001:db8::1", .badHost("[2001:db8::1")),
        ("[host]:7332", .badHost("[host]:7332")),
        ("[2001:db8::1]", .noPort("[2001:db8::1]")),
        ("[2001:db8::1]7332", .noPort("[2001:db8::1]7332")),
        ("https://host:7332", .unknownScheme("https://host:7332")),
        ("dns+srv://_martlet._tcp.example.net", .notYetSupported("dns+srv://_martlet._tcp.example.net")),
        (String(repeating: "a", count: 301), .tooLong(characters: 301)),
    ])
    func `what is no seed is refused with its reason`(text: String, error: SeedError) {
        #expect(throws: error) { try Seed(parsing: text) }
    }

    @Test func `a refusal says what to write instead`() {
        #expect(SeedError.noPort("host").description.contains("host:7332"))
        #expect(SeedError.noPort("host:").description.contains("host:7332"))
        #expect(SeedError.notYetSupported("dns+srv://x").description.contains("host:port"))
    }
}
