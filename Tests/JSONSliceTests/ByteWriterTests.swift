import Testing

@testable import JSONSlice

@Suite struct ByteWriterTests {
    private func written(room: Int = 0, _ body: (inout ByteWriter) -> Void) -> String {
        var writer = ByteWriter(capacity: room)
        body(&writer)
        return String(decoding: writer.finished(), as: UTF8.self)
    }

    @Test(arguments: [0, 9, 10, 99, 100, -1, -10, 1_234_567_890, .max, .min])
    func `a number is written as a string of it would be`(number: Int) {
        #expect(written { $0.put(decimal: number) } == String(number))
    }

    @Test(arguments: [0, 1, 7, 64, 1_000])
    func `what was written stays, however little room was made for it`(room: Int) {
        let text = written(room: room) { writer in
            for number in 0..<200 {
                writer.put(decimal: number)
                writer.put(", ")
                writer.put(Array("\(number);".utf8)[...])
            }
        }
        #expect(text == (0..<200).map { "\($0), \($0);" }.joined())
    }

    @Test(arguments: [
        "", "plain", "a \"word\" and \\", "\u{1}\n\r\t", "größer 🙂", String(repeating: "x\"", count: 400),
    ])
    func `a text is written as its JSON`(text: String) {
        let json = written { $0.put(string: text) }
        #expect(json == JSON.string(text).text)
    }

    @Test func `nothing is written where nothing was put, and room that is left over is not seen`() {
        #expect(written(room: 100) { _ in }.isEmpty)
        #expect(written(room: 100) { $0.put([][...]) }.isEmpty)
        #expect(written(room: 100) { $0.put("ab") } == "ab")
    }
}
