import JSONSlice
import MartletTestKit
import Testing

/// Documents that nobody means well with: read or refused, in little time, and never half.
struct HostileDocumentTests {
    private static let kept = (try? Hostile.kept("json")) ?? []

    private func read(_ bytes: [UInt8], _ seed: UInt64) {
        var json: JSON?
        let took = ProcessorTime.of {
            json = try? JSON(validating: bytes)
            _ = json?.canonical
            _ = json?.setting("added", to: [1]).removing("id")
        }
        #expect(took < ProcessorTime.inputMax, "replay with seed \(seed)")
        guard let json else { return }
        #expect((try? JSON(validating: json.bytes)) == json, "replay with seed \(seed)")
        for (key, value) in json.members {
            #expect(
                (try? JSON(validating: json.setting(key, to: value).bytes)) != nil, "replay with seed \(seed)"
            )
        }
    }

    @Test func `what searches have kept is read or refused`() throws {
        #expect(Self.kept.count > 100)
        for (number, bytes) in Self.kept.enumerated() { read(bytes, UInt64(number)) }
    }

    /// What is in a value, in order: its members' keys, `-` for an element, each before what is in it.
    private static func outline(_ json: JSON) -> [String] {
        json.members.flatMap { [$0.key] + outline($0.value) }
            + json.elements.flatMap { ["-"] + outline($0) }
    }

    private static func outline(_ cursor: inout JSONCursor, into keys: inout [String]) {
        cursor.members { key, value in
            keys.append(key.text)
            outline(&value, into: &keys)
        }
        cursor.elements { element in
            keys.append("-")
            outline(&element, into: &keys)
        }
    }

    @Test func `a cursor goes by all that is in a document, and skips what is not taken`() throws {
        for bytes in Self.kept {
            guard let json = try? JSON(validating: bytes) else { continue }
            var (all, top): ([String], [String]) = ([], [])
            json.read { Self.outline(&$0, into: &all) }
            #expect(all == Self.outline(json))
            json.read { $0.members { key, _ in top.append(key.text) } }
            #expect(top == json.members.map(\.key))
        }
    }

    @Test(arguments: UInt64(1)...40)
    func `a mangled document is read or refused`(seed: UInt64) throws {
        var mangler = Mangler(seed: seed)
        for _ in 0..<100 {
            let base = try Self.kept.randomElement(using: &mangler.random).orFail()
            read(mangler.mangled(base), seed)
        }
    }

    private static let size = 128 * 1024

    private static func repeated(_ piece: String, before: String = "", after: String = "") -> [UInt8] {
        Array((before + String(repeating: piece, count: size / piece.utf8.count) + after).utf8)
    }

    @Test(arguments: [
        repeated("["), repeated("{\"a\":"), repeated("[1,"), repeated("\\u0041", before: "\"", after: "\""),
        repeated("\"", before: "["), repeated("1"), repeated("9", before: "1e"),
        repeated("\\ud83d", before: "\"", after: "\""),
        repeated("\u{E9}", before: "\"", after: "\""), repeated(" "),
        repeated("0,", before: "[", after: "0]"),
        Array(
            ("{" + (0..<8_000).map { "\"key\($0)\":\($0)" }.joined(separator: ",") + ",\"key0\":1}").utf8),
        Array(("{" + (0..<8_000).map { "\"\\u0061\($0)\":0" }.joined(separator: ",") + "}").utf8),
    ])
    func `a large document of one shape takes no longer than its size`(bytes: [UInt8]) {
        let took = ProcessorTime.of { _ = try? JSON(validating: bytes) }
        #expect(took < ProcessorTime.inputMax)
    }

    // MARK: Bytes that are looked at many at a time

    @Test(arguments: 0..<100)
    func `a byte that is no plain text is found wherever it stands in a string`(place: Int) throws {
        let before = String(repeating: "a", count: place)
        let after = String(repeating: "~", count: 70)
        for byte: UInt8 in [0x00, 0x1F] {
            let text = Array("\"\(before)".utf8) + [byte] + Array("\(after)\"".utf8)
            #expect(throws: JSONError.controlCharacter(byte, offset: place + 1)) {
                try JSON(validating: text)
            }
        }
        for byte: UInt8 in [0x80, 0xFF] {
            let text = Array("\"\(before)".utf8) + [byte] + Array("\(after)\"".utf8)
            #expect(throws: JSONError.self) { try JSON(validating: text) }
        }
        #expect(throws: JSONError.self) { try JSON(validating: "\"\(before)\"\(after)\"") }
        for special in [#"\""#, #"\\"#, " !", "ö", "🙂", "\u{7F}"] {
            let text = "\"\(before)\(special)\(after)\""
            let json = try JSON(validating: "{\"a\":\(text),\"b\":\(text)}")
            #expect(json["a"]?.text == text && json["b"]?.text == text)
        }
    }
}
