import Catalog
import MartletTestKit
import Testing

struct Base32Tests {
    @Test(arguments: [
        ("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),  // RFC 4648 §10, lower case, without padding
    ])
    func `the vectors of RFC 4648 hold both ways`(plain: String, spelled: String) {
        #expect(Base32.encode(plain.utf8) == spelled)
        #expect(Base32.decode(spelled) == Array(plain.utf8))
    }

    @Test(arguments: UInt64(1)...50)
    func `any bytes come back as they were`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let bytes = random.bytes(Int(seed))
        #expect(Base32.decode(Base32.encode(bytes)) == bytes)
    }

    @Test(arguments: [
        "MY",  // upper case
        "mz",  // bits left over that are not zero
        "m",  // no whole byte
        "my======", "m1", "m8", "m y", "mé",
    ])
    func `every other spelling is refused`(text: String) {
        #expect(Base32.decode(text) == nil)
    }
}

struct LabelTests {
    @Test(arguments: ["a", "7", "web-1", "a-b-c", String(repeating: "x", count: 32)])
    func `a label is kept as it is`(text: String) throws {
        #expect(try Label(text).orFail().text == text)
    }

    @Test(arguments: [
        "", "-a", "a-", "a--b", "A", "a_b", "a.b", "ä", "a b", String(repeating: "x", count: 33),
    ])
    func `what is no label is refused`(text: String) {
        #expect(Label(text) == nil)
    }

    @Test(arguments: [
        ("My Laptop", "my-laptop"), ("--x--y--", "x-y"), ("host.example.org", "host-example-org"),
        (String(repeating: "a", count: 40), String(repeating: "a", count: 32)),
        (String(repeating: "a", count: 31) + ".b", String(repeating: "a", count: 31)),
    ])
    func `any text has a nearest label`(text: String, label: String) throws {
        #expect(try Label(fitting: text).orFail().text == label)
    }

    @Test(arguments: ["", "...", "日本"])
    func `text with nothing to keep has none`(text: String) {
        #expect(Label(fitting: text) == nil)
    }
}

struct FingerprintTests {
    @Test func `an id is the first half of the key's SHA-256`() throws {
        let id = NodeID(ofKey: Array("abc".utf8))
        // FIPS 180-2, appendix B.1
        #expect(Hex.encode(id.bytes) == "ba7816bf8f01cfea414140de5dae2223")
        #expect(id.description.count == 26)
        #expect(NodeID(id.description) == id)
        #expect(NodeID(bytes: id.bytes) == id)
    }

    @Test func `ids are ordered as their bytes are`() {
        let ids = (0..<100).map { NodeID(ofKey: [UInt8($0)]) }
        #expect(
            ids.sorted().map(\.bytes) == ids.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test(arguments: ["", "abc", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", String(repeating: "z", count: 26)])
    func `other text is no id`(text: String) {
        #expect(NodeID(text) == nil)
    }
}

struct InstantTests {
    @Test func `time adds up`() {
        let start = Instant(nanoseconds: 5)
        let later = start + .milliseconds(3)
        #expect(later.nanoseconds == 3_000_005)
        #expect(later - start == .milliseconds(3))
        #expect(start < later)
    }
}

struct RolesTests {
    @Test func `roles have names both ways`() throws {
        #expect(Roles.all.names == ["member", "entry", "operator", "issuer"])
        for name in Roles.all.names { #expect(try Roles(named: name).orFail().names == [name]) }
        #expect(Roles(named: "root") == nil)
        #expect("\(Roles.ordinary)" == "member+entry")
    }
}
