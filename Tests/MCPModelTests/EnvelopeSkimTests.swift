import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@Suite struct EnvelopeSkimTests {
    @Test(arguments: [
        (#"{"jsonrpc":"2.0","id":7,"result":{"#, "7", "7"),
        (#"{"jsonrpc":"2.0","result":{"id":1,"x":["id",{"id":2}]},"id":"a\"b"}"#, #""a\"b""#, #""a\"b""#),
        (#"{"id":3,"method":"tools/call","params":{}}"#, "3", ""),
        (#"{"id":3,"error":{},"method":"x"}"#, "3", ""),
        (#"{"method":"x","params":{"id":9}}"#, "", ""),
        (#"{"id":5,"result":{"a":"\u{7}"}}"#, "5", "5"),
        (#"{"id":5,"result":[1,]}"#, "5", "5"),
        (#"{"result":{"a":"}"},"id":5}"#, "5", "5"),
        (#"{"id":null,"error":{}}"#, "", ""),
        (#"{"id":{"id":4},"result":{}}"#, "", ""),
        // Not whole, so that nobody can know the rest of the number.
        (#"{"result":{},"id":5"#, "", ""),
        (#"[{"id":5,"result":{}}]"#, "", ""),
        (#""id":5,"result":{}"#, "", ""),
        ("", "", ""), ("}}}]]]{{{", "", ""),
    ])
    func `the id is that of the outermost object, whatever else is broken`(
        text: String, id: String, answers: String
    ) {
        let skim = EnvelopeSkim(text.utf8)
        #expect(skim.id?.description ?? "" == id)
        #expect(skim.answers?.description ?? "" == answers)
        var cut = EnvelopeSkim()
        for byte in text.utf8 { cut.take(CollectionOfOne(byte)) }
        #expect(cut == skim)
    }

    @Test(arguments: UInt64(1)...300)
    func `noise of any kind is survived`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let words = [
            "{", "}", "[", "]", "\"", "\\", ":", ",", "\"id\"", "7", "\"result\"", " ", "\u{0}", "é",
        ]
        let text = (0..<80).map { _ in words.randomElement(using: &random) ?? "" }.joined()
        var cut = EnvelopeSkim()
        for byte in text.utf8 { cut.take(CollectionOfOne(byte)) }
        #expect(cut == EnvelopeSkim(text.utf8))
    }

    @Test func `a word of any length costs no more than an id may`() {
        let long = "{\"" + String(repeating: "k", count: 100_000) + "\":1,\"id\":2,\"result\":{}}"
        #expect(EnvelopeSkim(long.utf8).answers == RPCID(2))
    }
}
