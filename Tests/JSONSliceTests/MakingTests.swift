import Foundation
import JSONSlice
import Testing

@Suite struct MakingTests {
    static let naughtyStrings: [String] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/json/naughty_strings.json")
        guard let data = try? Data(contentsOf: file), let json = try? JSON(validating: data) else {
            return []
        }
        return json.elements.compactMap(\.string)
    }()

    @Test func `the naughty strings are there`() { #expect(Self.naughtyStrings.count == 515) }

    @Test func `any string survives being written and read`() throws {
        let controls = (0..<0x20).map { "a\(Unicode.Scalar(UInt8($0)))b" }
        for text in Self.naughtyStrings + controls + ["\u{7F}\u{2028}\u{FEFF}"] {
            let made = JSON.object([(text, .string(text))])
            let read = try JSON(validating: made.bytes)
            #expect(read == made)
            #expect(read[text]?.string?.utf8.elementsEqual(text.utf8) == true)
        }
    }

    @Test(arguments: [(1.5, "1.5"), (1e300, "1e+300"), (-0.0, "-0.0"), (.nan, "null"), (.infinity, "null")])
    func `a double is written so that it reads the same`(value: Double, text: String) throws {
        let json = JSON.number(value)
        #expect(json.text == text)
        #expect(try JSON(validating: json.text) == json)
    }

    @Test func `literals keep their order`() {
        let json: JSON = ["z": 1, "a": [true, "x", 1.5, .null], "m": [:]]
        #expect(json.text == #"{"z":1,"a":[true,"x",1.5,null],"m":{}}"#)
    }

    @Test(arguments: [3, 30])
    func `of equal keys the last value stands at the first place`(count: Int) throws {
        let members = (0..<count).map { ("k\($0)", JSON.number($0)) } + [("k1", "new")]
        let json = JSON.object(members)
        #expect(try JSON(validating: json.bytes).members.map(\.key) == (0..<count).map { "k\($0)" })
        #expect(json["k1"] == "new")
    }
}
