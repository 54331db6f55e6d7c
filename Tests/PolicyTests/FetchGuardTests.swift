import Policy
import Testing

struct FetchGuardTests {
    private static let addresses: [(String, FetchGuard.Kind)] = [
        ("1.1.1.1", .everywhere), ("93.184.215.14", .everywhere), ("2606:4700::1111", .everywhere),
        ("172.15.255.255", .everywhere), ("172.32.0.0", .everywhere), ("223.255.255.255", .everywhere),
        ("127.0.0.1", .thisHost), ("127.255.255.254", .thisHost), ("0.0.0.0", .thisHost), ("::1", .thisHost),
        ("::", .thisHost),
        ("10.0.0.1", .privateNetwork), ("172.16.0.1", .privateNetwork), ("172.31.255.255", .privateNetwork),
        ("192.168.1.1", .privateNetwork), ("100.64.0.1", .privateNetwork),
        ("100.127.255.255", .privateNetwork),
        ("fd12:3456::1", .privateNetwork), ("fc00::", .privateNetwork), ("fec0::1", .privateNetwork),
        ("169.254.0.1", .linkLocal), ("fe80::1", .linkLocal), ("febf::1", .linkLocal),
        ("169.254.169.254", .metadata), ("fd00:ec2::254", .metadata), ("100.100.100.200", .metadata),
        ("192.0.0.192", .metadata), ("168.63.129.16", .metadata), ("169.254.170.2", .metadata),
        ("192.0.2.1", .special), ("198.18.0.1", .special), ("203.0.113.7", .special), ("224.0.0.1", .special),
        ("239.255.255.255", .special), ("240.0.0.1", .special), ("255.255.255.255", .special),
        ("ff02::1", .special), ("2001:db8::1", .special), ("2001::1", .special), ("3fff::1", .special),
        ("100::1", .special), ("5f00::1", .special), ("4000::1", .special), ("64:ff9b:1::1", .special),
        // Within IPv6: mapped, translated, tunnelled, and the old compatible form.
        ("::ffff:127.0.0.1", .thisHost), ("::ffff:10.1.2.3", .privateNetwork),
        ("::ffff:1.1.1.1", .everywhere),
        ("::ffff:169.254.169.254", .metadata), ("64:ff9b::127.0.0.1", .thisHost),
        ("64:ff9b::a9fe:a9fe", .metadata),
        ("64:ff9b::101:101", .everywhere), ("2002:7f00:1::", .thisHost), ("2002:a9fe:a9fe::1", .metadata),
        ("2002:c0a8:101::1", .privateNetwork), ("::127.0.0.1", .thisHost), ("::10.0.0.1", .privateNetwork),
    ]

    @Test(arguments: addresses)
    func `what an address is for is known, also within another`(text: String, kind: FetchGuard.Kind) throws {
        #expect(FetchGuard.kind(of: try #require(IPAddress(text), "\(text)")) == kind)
    }

    @Test(arguments: addresses)
    func `a name leads only to what is reachable from everywhere`(text: String, kind: FetchGuard.Kind) throws
    {
        let denial = FetchGuard().objection(
            to: try #require(IPAddress(text)), host: "keys.example.com", setting: "auth.fetch.allow")
        #expect((denial == nil) == (kind == .everywhere))
        if let denial {
            #expect(denial.rule == .addressNotAllowed)
            #expect(denial.text.contains("keys.example.com") && denial.text.contains("auth.fetch.allow"))
        }
    }

    @Test func `what is refused names what would allow it, and that allows it`() throws {
        for (text, _) in Self.addresses {
            let address = try #require(IPAddress(text))
            guard let denial = FetchGuard().objection(to: address, host: "a.example", setting: "s") else {
                continue
            }
            let named = try #require(denial.hint?.split(separator: "\"").dropFirst().first)
            let range = try #require(AddressRange(named), "\(named)")
            #expect(
                FetchGuard(allowed: [range]).objection(to: address, host: "a.example", setting: "s") == nil,
                "\(text)")
        }
    }

    @Test(arguments: [
        (range: "10.0.0.0/8", address: "10.1.2.3", passes: true), ("10.0.0.0/8", "192.168.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("127.0.0.0/8", "127.0.0.1", true),
        ("fd00::/8", "fd12::1", true),
        ("192.168.7.5", "192.168.7.5", true), ("192.168.7.5", "192.168.7.6", false),
        // Everything but what gives the machine away.
        ("0.0.0.0/0", "192.168.0.1", true), ("0.0.0.0/0", "169.254.169.254", false),
        ("::/0", "fd00:ec2::254", false),
        ("169.254.0.0/16", "169.254.169.254", false), ("169.254.169.254", "169.254.169.254", true),
        ("::/0", "::1", true), ("::/0", "127.0.0.1", false),
    ])
    func `private addresses are allowed by block, and metadata only by name`(
        range: String, address: String, passes: Bool
    ) throws {
        let watch = FetchGuard(allowed: [try #require(AddressRange(range))])
        let denial = watch.objection(to: try #require(IPAddress(address)), host: "a.example", setting: "s")
        #expect((denial == nil) == passes)
    }

    @Test(arguments: [
        (host: "127.0.0.1", address: "127.0.0.1", passes: true), ("10.1.2.3", "10.1.2.3", true),
        ("::1", "::1", true), ("localhost", "127.0.0.1", true), ("LOCALHOST", "::1", true),
        ("localhost", "10.0.0.1", false), ("localhost.evil.example", "127.0.0.1", false),
        // Spelled so that some would read an address: a name, for us.
        ("2130706433", "127.0.0.1", false), ("0x7f.1", "127.0.0.1", false), ("127.1", "127.0.0.1", false),
        ("10.1.2.3", "10.1.2.4", false),
    ])
    func `whoever writes an address means it`(host: String, address: String, passes: Bool) throws {
        let denial = FetchGuard().objection(
            to: try #require(IPAddress(address)), host: host, setting: "s")
        #expect((denial == nil) == passes)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.-4", "1.2.3.4 ", "0x1.2.3.4", "1..2.3",
        "+1.2.3.4",
        ":", ":::", "1::2::3", "::1%lo", "fffff::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::ffff:1.2.3",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:8::", ":1:2:3:4:5:6:7", "g::", "[::1]", "::1:",
    ])
    func `what is no address is none`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        ("fd00::", "fd00::"), ("::", "::"), ("::1", "::1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("FE80::A", "fe80::a"),
        ("::ffff:1.2.3.4", "::ffff:102:304"),
        ("10.1.2.3", "10.1.2.3"),
    ])
    func `an address is spelled as RFC 5952 has it`(text: String, spelled: String) {
        #expect(IPAddress(text)?.description == spelled)
    }

    @Test(arguments: [
        "10.0.0.0/33", "10.0.0.1/8", "fd00::1/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "x/8",
    ])
    func `a block with bits beyond its prefix is a slip`(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
