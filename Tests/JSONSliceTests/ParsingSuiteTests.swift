import Foundation
import JSONSlice
import Testing

/// The cases of JSONTestSuite (Fixtures/json/SOURCES.md).
struct ParsingCase: CustomTestStringConvertible, Sendable {
    enum Expectation: String { case accept, reject, either }

    let name: String
    let expectation: Expectation
    let bytes: [UInt8]

    var testDescription: String { name }

    static let all: [ParsingCase] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/json/json_parsing.jsonl")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            guard let row = try? JSON(validating: String(line)), let name = row["name"]?.string,
                let expectation = row["expect"]?.string.flatMap(Expectation.init(rawValue:)),
                let data = row["base64"]?.string.flatMap({ Data(base64Encoded: $0) })
            else { return nil }
            return ParsingCase(name: name, expectation: expectation, bytes: Array(data))
        }
    }()

    static func with(_ expectation: Expectation) -> [ParsingCase] {
        all.filter { $0.expectation == expectation }
    }

    /// RFC 8259 §4 lets duplicate keys pass ("SHOULD be unique"). We refuse them, since two readers that pick
    /// different ones can be set against each other.
    static let duplicates: Set<String> = [
        "y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json",
    ]
    /// Of what a parser may decide, this is what we accept: numbers of any size, halves of surrogate pairs.
    static func isAcceptedByChoice(_ name: String) -> Bool {
        let surrogates = [
            "i_object_key_lone_2nd_surrogate", "i_string_1st_surrogate_but_2nd_missing",
            "i_string_1st_valid_surrogate_2nd_invalid", "i_string_incomplete_surrogate_and_escape_valid",
            "i_string_incomplete_surrogate_pair", "i_string_incomplete_surrogates_escape_valid",
            "i_string_invalid_lonely_surrogate", "i_string_invalid_surrogate",
            "i_string_inverted_surrogates_U+1D11E", "i_string_lone_second_surrogate",
        ]
        return name.hasPrefix("i_number") || surrogates.contains(name.replacing(".json", with: ""))
    }
}

@Suite struct ParsingSuiteTests {
    @Test func `the whole suite is there`() {
        #expect(ParsingCase.all.count == 317)
    }

    @Test(arguments: ParsingCase.with(.accept))
    func `valid documents are accepted and kept to the byte`(row: ParsingCase) throws {
        guard !ParsingCase.duplicates.contains(row.name) else {
            #expect { try JSON(validating: row.bytes) } throws: {
                if case .duplicateKey? = $0 as? JSONError { true } else { false }
            }
            return
        }
        let json = try JSON(validating: row.bytes)
        let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        let trimmed = row.bytes.drop(while: space.contains).reversed().drop(while: space.contains).reversed()
        #expect(Array(json.bytes) == Array(trimmed))
    }

    @Test(arguments: ParsingCase.with(.reject))
    func `invalid documents are refused at a place inside them`(row: ParsingCase) {
        #expect { try JSON(validating: row.bytes) } throws: { error in
            guard let error = error as? JSONError else { return false }
            return (0...row.bytes.count).contains(error.offset) && !error.description.isEmpty
        }
    }

    @Test(arguments: ParsingCase.with(.either))
    func `where the grammar leaves a choice, ours is the documented one`(row: ParsingCase) {
        let isAccepted = (try? JSON(validating: row.bytes)) != nil
        #expect(isAccepted == ParsingCase.isAcceptedByChoice(row.name))
    }

    @Test(arguments: [
        ("[", "]"), ("{\"a\":", "}"),
    ])
    func `nesting is bounded`(open: String, close: String) throws {
        func nested(_ depth: Int) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        _ = try JSON(validating: nested(JSONLimits.standard.depthMax))
        for depth in [JSONLimits.standard.depthMax + 1, 100_000] {
            #expect { try JSON(validating: nested(depth)) } throws: {
                if case .tooDeep? = $0 as? JSONError { true } else { false }
            }
        }
        // 50,000 arrays that never close: the one case that is left out of the file.
        #expect(throws: JSONError.self) { try JSON(validating: String(repeating: "[", count: 50_000)) }
    }

    @Test func `size is bounded`() throws {
        var limits = JSONLimits()
        limits.bytesMax = 4
        _ = try JSON(validating: "1234", limits: limits)
        #expect(throws: JSONError.tooLarge(bytes: 5, limit: 4)) {
            try JSON(validating: "12345", limits: limits)
        }
    }

    @Test(
        arguments: [
            (bytes: [0xC0, 0x80], what: "overlong NUL"), (bytes: [0xC1, 0xBF], what: "overlong of two"),
            (bytes: [0xE0, 0x9F, 0xBF], what: "overlong of three"),
            (bytes: [0xED, 0xA0, 0x80], what: "surrogate"),
            (bytes: [0xF0, 0x8F, 0xBF, 0xBF], what: "overlong of four"),
            (bytes: [0xF4, 0x90, 0x80, 0x80], what: "past U+10FFFF"),
            (bytes: [0xF5, 0x80, 0x80, 0x80], what: "F5"),
            (bytes: [0x80], what: "continuation alone"), (bytes: [0xE2, 0x82], what: "cut short"),
        ] as [(bytes: [UInt8], what: String)])
    func `only UTF-8 that Unicode allows passes`(bytes: [UInt8], what: String) {
        let document = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
        #expect(throws: JSONError.invalidUTF8(offset: 1), "\(what)") { try JSON(validating: document) }
    }

    @Test func `every scalar of Unicode passes and reads as itself`() throws {
        for plane in stride(from: 0x80, through: 0x10FFFF, by: 61) {
            guard let scalar = Unicode.Scalar(UInt32(plane)) else { continue }
            let text = "ab\(scalar)cdefgh"
            #expect(try JSON(validating: "\"\(text)\"").string == text)
        }
    }
}

@Suite struct DuplicateKeyTests {
    @Test(arguments: [2, 15, 16, 17, 18, 40, 1000])
    func `a key that comes twice is found in an object of any size`(count: Int) throws {
        let members = (0..<count).map { "\"key\($0)\":\($0)" }
        let json = try JSON(validating: "{\(members.joined(separator: ","))}")
        #expect(json.members.count == count)
        for twin in [0, count / 2, count - 1] {
            let text = "{\((members + ["\"\\u006bey\(twin)\":0"]).joined(separator: ","))}"
            #expect { try JSON(validating: text) } throws: { error in
                guard case .duplicateKey(let key, _)? = error as? JSONError else { return false }
                return key == "key\(twin)"
            }
        }
    }

    @Test func `keys are one object's own`() throws {
        _ = try JSON(validating: #"{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":1}}"#)
    }

    /// The keys of those around are kept while one is read that has more than there is room for nearby.
    @Test(arguments: [0, 1, 15, 16, 17, 40], [0, 1, 15, 16, 17, 40])
    func `a key that comes twice is found behind an object of any size`(before: Int, inside: Int) throws {
        let inner = (0..<inside).map { "\"inner\($0)\":\($0)" }.joined(separator: ",")
        let outer = ["\"twin\":0"] + (0..<before).map { "\"outer\($0)\":\($0)" } + ["\"nested\":{\(inner)}"]
        let json = try JSON(validating: "{\((outer + ["\"other\":0"]).joined(separator: ","))}")
        #expect(json["nested"]?.members.count == inside)
        for twin in ["twin", "nested"] + (before > 0 ? ["outer\(before - 1)"] : []) {
            #expect(throws: JSONError.self) {
                try JSON(validating: "{\((outer + ["\"\(twin)\":0"]).joined(separator: ","))}")
            }
        }
    }

    @Test func `keys that only look alike are two`() throws {
        // U+00E9, and e with U+0301: equal to String, not to JSON.
        let json = try JSON(validating: #"{"\u00e9":1,"e\u0301":2}"#)
        #expect(json["\u{E9}"]?.int == 1)
        #expect(json["e\u{301}"]?.int == 2)
    }
}
