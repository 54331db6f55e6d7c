import MartletTestKit
import Testing

@testable import JSONSlice

/// Documents that differ in two values alone, known again by what stands around these.
@Suite struct FrameTests {
    private static func text(id: String, value: String, isValueFirst: Bool) -> String {
        isValueFirst
            ? #"{"a": {"v":\#(value) ,"b":[1]}, "id":\#(id)}"#
            : #"{"id":\#(id), "a": {"v":\#(value) ,"b":[1]}}"#
    }

    /// Of a document with `id` and `a.v`.
    private static func frame(_ text: String) throws -> JSONFrame? {
        let document = try JSON(validating: text)
        let (id, value) = (try #require(document["id"]), try #require(document["a"]?["v"]))
        return JSONFrame(document, scalar: id.bytes.indices, value: value.bytes.indices, levels: 2)
    }

    @Test(arguments: 0..<300)
    func `what is found in a frame is what reading finds`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let isValueFirst = random.chance(0.5)
        let ids = ["0", "17", "123456789012345678", #""""#, #""a-7""#, #""{,:""#]
        func made(_ random: inout SplitMix64) -> String {
            Self.text(
                id: ids.randomElement(using: &random) ?? "1", value: RandomObject.value(&random, depth: 0),
                isValueFirst: isValueFirst)
        }
        let frame = try #require(try Self.frame(made(&random)))
        let bytes = Array(made(&random).utf8)
        let read = try JSON(validating: bytes)
        let filled = try #require(frame.filled(bytes, limits: .standard))
        #expect(filled.document == read)
        #expect(filled.scalar == read["id"])
        #expect(filled.value == read["a"]?["v"])
    }

    @Test(arguments: [true, false])
    func `a value around a gap is where it was, and as long as what is in it`(isValueFirst: Bool) throws {
        let document = try JSON(validating: Self.text(id: "5", value: "true", isValueFirst: isValueFirst))
        let frame = try #require(try Self.frame(document.text))
        let around = try #require(document["a"]).bytes.indices
        let other = Self.text(id: #""long""#, value: "[1,2,3]", isValueFirst: isValueFirst)
        let filled = try #require(frame.filled(Array(other.utf8), limits: .standard))
        #expect(filled.value(at: around) == (try JSON(validating: other)["a"]))
    }

    @Test(
        arguments: [true, false],
        ["", " ", "-1", "01", "1.5", "null", "1,\"x\":2", #""a\n""#, #""a","x":"b""#, " 1", "1 "])
    func `a scalar that is no plain one is read as ever`(isValueFirst: Bool, id: String) throws {
        let frame = try #require(
            try Self.frame(Self.text(id: "1", value: "{}", isValueFirst: isValueFirst)))
        let bytes = Array(Self.text(id: id, value: "{}", isValueFirst: isValueFirst).utf8)
        #expect(frame.filled(bytes, limits: .standard) == nil)
    }

    @Test(
        arguments: [true, false],
        [
            "", " ", "{}}", "{},", #"{},"x":1"#, #"{"a":1,"a":2}"#, "{} ", " {}", "tru", "\"\u{1}\"", "[1,]",
            "1]", "}",
        ])
    func `what is no value is none in a gap`(isValueFirst: Bool, value: String) throws {
        let frame = try #require(
            try Self.frame(Self.text(id: "1", value: "{}", isValueFirst: isValueFirst)))
        let bytes = Array(Self.text(id: "1", value: value, isValueFirst: isValueFirst).utf8)
        #expect(frame.filled(bytes, limits: .standard) == nil)
    }

    @Test(arguments: [true, false])
    func `another byte anywhere around is another document`(isValueFirst: Bool) throws {
        let text = Self.text(id: "12345", value: #"{"k":"v"}"#, isValueFirst: isValueFirst)
        let frame = try #require(try Self.frame(text))
        let (bytes, document) = (Array(text.utf8), try JSON(validating: text))
        let gaps = [document["id"], document["a"]?["v"]].compactMap { $0?.bytes.indices }
        for place in bytes.indices where !gaps.contains(where: { $0.contains(place) }) {
            var other = bytes
            other[place] ^= 1
            #expect(frame.filled(other, limits: .standard) == nil, "\(place)")
        }
        for count in bytes.indices { #expect(frame.filled(Array(bytes[..<count]), limits: .standard) == nil) }
        #expect(frame.filled(bytes + [0x20], limits: .standard) == nil)
        #expect(frame.filled(bytes, limits: .standard) != nil)
    }

    @Test func `the levels around a gap count`() throws {
        func nested(_ levels: Int) -> String {
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        let frame = try #require(try Self.frame(Self.text(id: "1", value: "{}", isValueFirst: false)))
        var limits = JSONLimits.standard
        limits.depthMax = 8
        for levels in 1...8 {
            let bytes = Array(Self.text(id: "1", value: nested(levels), isValueFirst: false).utf8)
            let isRead = (try? JSON(validating: bytes, limits: limits)) != nil
            #expect((frame.filled(bytes, limits: limits) != nil) == isRead, "\(levels)")
        }
        limits.bytesMax = 8
        #expect(
            frame.filled(Array(Self.text(id: "1", value: "{}", isValueFirst: false).utf8), limits: limits)
                == nil)
    }

    @Test func `places that are none make no frame`() throws {
        let document = try JSON(validating: Self.text(id: "1", value: "2", isValueFirst: false))
        let (id, value) = (try #require(document["id"]), try #require(document["a"]))
        #expect(
            JSONFrame(document, scalar: value.bytes.indices, value: value.bytes.indices, levels: 1) == nil)
        #expect(JSONFrame(document, scalar: id.bytes.indices, value: 5..<900, levels: 1) == nil)
        #expect(JSONFrame(value, scalar: id.bytes.indices, value: value.bytes.indices, levels: 1) == nil)
    }
}
