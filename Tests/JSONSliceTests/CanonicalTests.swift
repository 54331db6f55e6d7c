import JSONSlice
import MartletTestKit
import Testing

/// RFC 8785.
struct CanonicalTests {
    private func form(_ text: String) throws -> String {
        String(
            decoding: try JSON(validating: text).canonical.orFail("a form of \(text)").bytes, as: UTF8.self)
    }

    @Test func `the example of the specification has its form`() throws {
        let given = #"""
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """#
        let expected =
            #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        #expect(try form(given) == expected)
    }

    @Test func `members stand in the order of their keys in UTF-16`() throws {
        let given = #"""
            {"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
             "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}
            """#
        let made = try JSON(validating: form(given))
        #expect(
            made.members.compactMap(\.value.string) == [
                "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
                "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
            ])
    }

    @Test func `numbers are written as ECMAScript writes them`() throws {
        let lines = try Fixture.text("trust/jcs.txt").split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == 24)
        for line in lines {
            let parts = line.split(separator: " ")
            let value = Double(bitPattern: try UInt64(parts[0], radix: 16).orFail())
            #expect(try form("[\(value)]") == "[\(parts[1])]")
            #expect(try form("[\(parts[1])]") == "[\(parts[1])]")
        }
    }

    @Test(arguments: [
        ("[1.0,10e-1,1]", "[1,1,1]"), ("[-0]", "[0]"), ("[0.1e1]", "[1]"),
        (#"{"b":1,"a":{"d":1,"c":[]}}"#, #"{"a":{"c":[],"d":1},"b":1}"#),
        (#"["\u0061\u00e9\/"]"#, #"["aé/"]"#),
    ])
    func `two spellings of one value have one form`(given: String, expected: String) throws {
        #expect(try form(given) == expected)
    }

    @Test(arguments: [
        #"["\ud800"]"#, #"["\udc00"]"#, #"["\ud800\u0041"]"#, #"{"\ud800":1}"#, #"{"a":{"\udfff":1}}"#,
        "[1e400]",
    ])
    func `what has no form is told`(text: String) throws {
        #expect(try JSON(validating: text).canonical == nil)
    }

    @Test(arguments: [
        ("9007199254740991", true), ("9007199254740992", false), ("-9007199254740993", false), ("1e20", true),
        ("0.1", true), ("0.10000000000000000001", false), ("1e-400", false), ("0.000", true), ("1.50", true),
    ])
    func `a number that a double does not keep is told`(text: String, isExact: Bool) throws {
        #expect(try JSON(validating: "[\(text)]").canonical?.isExact == isExact)
    }

    @Test(arguments: UInt64(1)...100)
    func `the form of a form is itself`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let form = try JSON(validating: RandomObject(using: &random).text).canonical
        let again = try form.map { try JSON(validating: $0.bytes).canonical?.bytes }
        #expect(again == form.map(\.bytes))
    }
}
