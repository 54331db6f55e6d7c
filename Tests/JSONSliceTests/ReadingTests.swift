import Foundation
import JSONSlice
import MartletTestKit
import Testing

@Suite struct ReadingTests {
    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("42", 42), ("-7", -7), ("42.0", 42), ("4.2e1", 42), ("420e-1", 42),
            ("1E2", 100),
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("0e999999999999999999999", 0),
            ("9.223372036854775807e18", .max),
            ("9223372036854775808", nil), ("1e19", nil), ("1e400", nil), ("1.5", nil), ("1e-1", nil),
            ("1e99999999999999999999", nil), ("\"1\"", nil), ("true", nil),
        ] as [(String, Int?)])
    func `an integer is read exactly or not at all`(text: String, value: Int?) throws {
        #expect(try JSON(validating: text).int == value)
    }

    @Test(arguments: [("1.5", 1.5), ("-2e3", -2000), ("1e400", nil), ("null", nil)])
    func `a double is read or is nil`(text: String, value: Double?) throws {
        #expect(try JSON(validating: text).double == value)
    }

    @Test(arguments: [
        (#""""#, ""), (#""a\"b\\c\/d""#, "a\"b\\c/d"), (#""\b\f\n\r\t""#, "\u{8}\u{C}\n\r\t"),
        (#""\u00e9\ud83d\ude00""#, "é😀"), (#""\u0000""#, "\u{0}"),
        (#""\ud83d""#, "\u{FFFD}"), (#""\ude00x""#, "\u{FFFD}x"), (#""\ud83d\u0041""#, "\u{FFFD}A"),
        (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
    ])
    func `a string is unescaped, half a surrogate pair becomes U+FFFD`(text: String, value: String) throws {
        let json = try JSON(validating: text)
        #expect(json.string == value)
        #expect(json.text == text)
    }

    @Test func `members and elements come in order, other kinds have none`() throws {
        let json = try JSON(validating: #" {"b" : [1, {"x":2} ,"]"], "a":{} ,"c":null} "#)
        #expect(json.members.map(\.key) == ["b", "a", "c"])
        #expect(json["b"]?.elements.map(\.text) == ["1", #"{"x":2}"#, #""]""#])
        #expect(json["b"]?[1]?["x"]?.int == 2)
        #expect(json["b"]?[3] == nil)
        #expect(json["b"]?[-1] == nil)
        #expect(json["d"] == nil)
        #expect(json["c"]?.isNull == true)
        #expect(json.elements.isEmpty)
        #expect(json["b"]?.members.isEmpty == true)
        #expect(json["b"]?["0"] == nil)
    }

    @Test(
        arguments: [
            ("{}", .object), ("[]", .array), ("\"\"", .string), ("-1", .number), ("true", .bool),
            ("null", .null),
        ]
            as [(String, JSON.Kind)])
    func `the kind is that of the first byte`(text: String, kind: JSON.Kind) throws {
        #expect(try JSON(validating: text).kind == kind)
    }

    /// The example document of RFC 6901 §5.
    @Test(
        arguments: [
            ("/foo", #"["bar", "baz"]"#), ("/foo/0", #""bar""#), ("/", "0"), ("/a~1b", "1"), ("/c%d", "2"),
            ("/e^f", "3"), ("/g|h", "4"), ("/i\\j", "5"), ("/k\"l", "6"), ("/ ", "7"), ("/m~0n", "8"),
            ("/foo/2", nil), ("/foo/-", nil), ("/foo/00", nil), ("/foo/+1", nil), ("foo", nil),
            ("/m~2n", nil),
            ("/foo/99999999999999999999", nil),
        ] as [(String, String?)])
    func `pointers lead where RFC 6901 says`(path: String, value: String?) throws {
        let json = try JSON(
            validating: #"""
                {"foo":["bar", "baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}
                """#)
        #expect(json.pointer(path)?.text == value)
        #expect(json.pointer("") == json)
    }

    @Test func `one line holds the same value`() throws {
        let json = try JSON(validating: "{\"a\":\r\n [1,\n2], \"b\":\"x\\ny\"}")
        #expect(json.onOneLine.text == "{\"a\": [1,2], \"b\":\"x\\ny\"}")
        #expect(json.onOneLine["b"] == json["b"])
    }

    @Test(arguments: UInt64(1)...300)
    func `random objects read as they were made`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let object = RandomObject(using: &random)
        let json = try JSON(validating: object.text)
        #expect(json.text == object.text)
        let members = json.members
        #expect(members.map { Array($0.key.utf8) } == object.members.map { Array($0.key.utf8) })
        #expect(members.map(\.value.text) == object.members.map(\.value))
        for member in object.members { #expect(json[member.key]?.text == member.value) }
    }

    /// What we accept, Foundation must be able to read: a validator that lets too much through shows here.
    @Test(arguments: UInt64(1)...200)
    func `damaged documents are refused or readable by others`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<20 {
            var bytes = Array(RandomObject(using: &random).text.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1 where bytes.count > 1: bytes.remove(at: place)
                default: bytes.insert("{}[],:\"\\0-e. u".utf8.randomElement(using: &random) ?? 0, at: place)
                }
            }
            guard let json = try? JSON(validating: bytes), !json.text.contains("\\u") else { continue }
            #expect(throws: Never.self, "seed \(seed): \(json.text)") {
                try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            }
        }
    }
}
