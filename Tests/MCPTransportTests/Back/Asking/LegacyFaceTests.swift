import MCPModel
import Testing

@testable import MCPTransport

/// When a backend of both eras counts as one without sessions.
struct LegacyFaceTests {
    @Test(
        arguments: [
            (.refused(status: 400), true), (.refused(status: 404), true), (.broken, true),
            (.refused(status: 429), false), (.refused(status: 503), false), (.notReached, false),
            (.lost, false), (.timedOut, false),
        ] as [(BackendFault.Kind, Bool)])
    func `a backend that is busy or away may have sessions nevertheless`(
        kind: BackendFault.Kind, isMissing: Bool
    ) {
        var face = LegacyFace()
        let said = face.couldNotOpen(BackendFault(kind, ""))
        #expect(said == isMissing && face.isMissing == isMissing)
    }

    @Test func `one that is silent twice has none`() {
        var face = LegacyFace()
        let answers = [
            face.couldNotOpen(BackendFault(.timedOut, "")), face.couldNotOpen(BackendFault(.timedOut, "")),
        ]
        #expect(answers == [false, true])
    }

    @Test func `a session in which a call was lost ends with the last of the others`() {
        let now = ContinuousClock.now
        var shelf = SessionShelf(countMax: 2)
        let choices = [shelf.choose(for: .everything, at: now), shelf.choose(for: .everything, at: now)]
        #expect(choices == [.open(1, after: nil), .use(1)])
        shelf.ending(1)
        _ = shelf.released(1, at: now)
        #expect(!shelf.isSpent(1))
        let next = shelf.choose(for: .everything, at: now)
        #expect(next == .open(2, after: nil))
        _ = shelf.released(1, at: now)
        #expect(shelf.isSpent(1) && !shelf.isSpent(2))
    }
}
