import JSONSlice
import MCPModel
import Synchronization

/// What a server writes around its results, as the last answer showed it that had to be read.
///
/// Whoever calls has its own: it costs little, and what calls on two loops share goes to and fro between their cores.
struct KnownAnswers: ~Copyable, Sendable {
    private let frame = Mutex<AnswerFrame?>(nil)

    /// The answer that a body is; `nil`: it is something else, or no JSON.
    ///
    /// - Parameter number: of the call.
    func answer(in body: [UInt8], to number: Int, limits: JSONLimits) -> PlainToolAnswer? {
        if let known = frame.withLock({ $0 })?.answer(in: body, to: number, limits: limits) { return known }
        guard let document = try? JSON(validating: body[...], limits: limits),
            let answer = PlainToolAnswer(document, to: number)
        else { return nil }
        if let known = AnswerFrame(document) { frame.withLock { $0 = known } }
        return answer
    }
}
