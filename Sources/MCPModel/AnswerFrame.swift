package import JSONSlice

/// The answer to a `tools/call` without the call's number and its result: what a server writes the same around each of them.
package final class AnswerFrame: Sendable {
    private let frame: JSONFrame

    /// - Parameter document: an answer; all of it but the two values is kept.
    package init?(_ document: JSON) {
        var (id, result): (Range<Int>?, Range<Int>?)
        document.forEachPlace { key, place in
            switch key {
            case "id": id = place.value
            case "result": result = place.value
            default: break
            }
        }
        guard let id, let result,
            let frame = JSONFrame(document, scalar: id, value: result, levels: 1)
        else { return nil }
        self.frame = frame
    }

    /// The answer that is in these bytes; `nil`: they have another frame, or answer something else, or are no plain answer.
    ///
    /// - Parameter number: the id of the request.
    /// - Complexity: O(bytes); the result is validated.
    package func answer(in body: [UInt8], to number: Int, limits: JSONLimits) -> PlainToolAnswer? {
        guard let found = answer(in: body, limits: limits), found.number == number else { return nil }
        return PlainToolAnswer(result: found.result)
    }

    /// The number and the result of the answer that is in these bytes; `nil`: they have another frame.
    ///
    /// - Complexity: O(bytes); the result is validated.
    package func answer(in bytes: [UInt8], limits: JSONLimits) -> (number: Int, result: JSON)? {
        guard let filled = frame.filled(bytes, limits: limits), filled.value.kind == .object,
            filled.scalar.kind == .number, let number = filled.scalar.int
        else { return nil }
        return (number, filled.value)
    }
}
