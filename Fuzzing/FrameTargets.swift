import JSONSlice
@testable import MCPModel

extension FuzzTarget {
    /// Two messages with a zero byte between them: what is known of the second by the frame of the first.
    static let frames = FuzzTarget(name: "frames") { input in
        guard let gap = input.firstIndex(of: 0), let sample = try? JSON(validating: Array(input[..<gap]))
        else {
            return
        }
        let bytes = Array(input[(gap + 1)...])
        let read = try? JSON(validating: bytes)
        for (scalar, value, levels) in places(in: sample) {
            guard let frame = JSONFrame(sample, scalar: scalar, value: value, levels: levels),
                let filled = frame.filled(bytes, limits: .standard)
            else { continue }
            claim(read == filled.document, "what has the frame of a valid document is one")
            claim(isWhole(filled.scalar) && isWhole(filled.value), "what is in a gap is a value")
        }
        if let call = PlainToolCall(sample), let frame = CallFrame(sample, call),
            let known = frame.call(in: bytes, limits: .standard)
        {
            let again = read.flatMap { PlainToolCall($0) }
            claim(
                again?.id == known.id && again?.params == known.params && again?.name == known.name
                    && again?.arguments == known.arguments && again?.capabilities == known.capabilities,
                "a call that is known is the call that is read")
            let id = CallID(high: 1, low: 2)
            claim(
                again?.message(number: 7, name: known.name, begunBy: id)
                    == known.message(number: 7, name: known.name, begunBy: id),
                "a server gets the same bytes of it")
        }
        if PlainToolAnswer(sample, to: 7) != nil, let frame = AnswerFrame(sample),
            let known = frame.answer(in: bytes, to: 8, limits: .standard)
        {
            let again = read.flatMap { PlainToolAnswer($0, to: 8) }
            claim(
                again?.result == known.result && again?.isError == known.isError,
                "an answer that is known is the answer that is read")
        }
        if let frame = RequestFrame(Array(sample.bytes), sample), let id = frame.id(in: bytes) {
            claim(read?["id"]?.bytes == bytes[id], "an id that is found is the id that is read")
        }
    }

    /// Each member beside each other one, and what is within the latter.
    private static func places(in document: JSON) -> [(scalar: Range<Int>, value: Range<Int>, levels: Int)] {
        var members: [(Range<Int>, JSON)] = []
        document.forEachPlace { _, place in members.append((place.value, document.value(at: place))) }
        var places: [(scalar: Range<Int>, value: Range<Int>, levels: Int)] = []
        for (scalar, _) in members.prefix(4) {
            for (value, member) in members.prefix(4) {
                places.append((scalar, value, 1))
                member.forEachPlace { _, inner in places.append((scalar, inner.value, 2)) }
            }
        }
        return Array(places.prefix(32))
    }

    private static func isWhole(_ json: JSON) -> Bool {
        (try? JSON(validating: Array(json.bytes)))?.bytes.count == json.bytes.count
    }
}
