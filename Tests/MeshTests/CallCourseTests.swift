import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Mesh
import Testing

/// What the end of a call's course says of whether it reached a backend: by that it may go to another one.
struct CallCourseTests {
    private let life: UInt64 = 7
    private var random = SplitMix64(seed: 3)

    private func course(_ method: String = Method.toolsCall, isRepeat: Bool = false) -> CallCourse {
        CallCourse(
            CallID(high: 1, low: 2), method, owner: "owner", server: "files", isRepeat: isRepeat)
    }

    private func at(_ second: Double) -> Instant { Instant(nanoseconds: Int64(second * 1e9)) }

    private func failure(in effects: [CallCourse.Effect]) -> CallFailure? {
        for case .deliver(.failure(let failure)) in effects { return failure }
        return nil
    }

    @Test(arguments: [
        CallCourse.Obstacle.unreachable, .limited("busy"), .tooLarge("64 MiB"), .final("it stops"),
    ])
    func `what found no way was not sent`(obstacle: CallCourse.Obstacle) {
        var course = course()
        let failure = failure(in: course.noWay(obstacle, at: .zero))
        #expect(failure?.isUnsent == true)
    }

    @Test(arguments: [CallCourse.Break.limited("full"), .refused("no"), .overflow("busy")])
    mutating func `what the owner refused unread was not sent`(why: CallCourse.Break) {
        var course = course()
        _ = course.way(life: life, asks: true, at: .zero, using: &random)
        #expect(failure(in: course.broke(why, at: .zero))?.isUnsent == true)
    }

    @Test mutating func `what the owner never saw was not sent, however often that was`() {
        var course = course()
        var last: [CallCourse.Effect] = []
        for _ in 1...CallCourse.sendsMax {
            _ = course.way(life: life, asks: true, at: .zero, using: &random)
            _ = course.broke(.lost("cut"), at: .zero)
            _ = course.way(life: life, asks: true, at: .zero, using: &random)
            last = course.answered(.notSeen, at: .zero, using: &random)
        }
        #expect(failure(in: last)?.reason == .noPath && failure(in: last)?.isUnsent == true)
    }

    @Test(arguments: [
        (Method.toolsCall, Reason.outcomeUnknown), (Method.resourcesRead, .ownerUnreachable),
    ])
    mutating func `what was sent and lost may have been read or run there`(method: String, reason: Reason) {
        var course = course(method)
        _ = course.way(life: life, asks: true, at: .zero, using: &random)
        _ = course.broke(.lost("cut"), at: .zero)
        let failure = failure(in: course.noWay(.unreachable, at: at(31)))
        #expect(failure?.reason == reason && failure?.isUnsent == false)
    }

    @Test mutating func `a read that was sent twice is not unsent, though the second time was`() {
        var course = course(Method.resourcesRead)
        _ = course.way(life: life, asks: true, at: .zero, using: &random)
        _ = course.broke(.lost("cut"), at: .zero)
        _ = course.way(life: life + 1, asks: true, at: .zero, using: &random)
        let effects = course.heard(.failure(CallFailure(.limited, "full", isUnsent: true)))
        #expect(failure(in: effects)?.reason == .limited && failure(in: effects)?.isUnsent == false)
    }

    @Test mutating func `a repeat is sent as one, and whatever goes wrong with it is unknown`() {
        var course = course(isRepeat: true)
        let sent = course.way(life: life, asks: true, at: .zero, using: &random)
        guard case .send(_, isRepeat: true)? = sent.first else {
            Issue.record("\(sent)")
            return
        }
        let refused = failure(in: course.heard(.failure(CallFailure(.denied, "no", isUnsent: true))))
        #expect(refused?.reason == .outcomeUnknown && refused?.isUnsent == false)
        var lost = self.course(isRepeat: true)
        let unreached = failure(in: lost.noWay(.unreachable, at: .zero))
        #expect(unreached?.reason == .outcomeUnknown && unreached?.isUnsent == false)
    }

    @Test mutating func `a repeat does not go to an owner that cannot be told that it is one`() {
        var course = course(isRepeat: true)
        let effects = course.way(life: life, asks: false, at: .zero, using: &random)
        #expect(effects.count == 1 && failure(in: effects)?.reason == .outcomeUnknown)
    }

    /// Sent, and its stream has broken.
    private mutating func lost(mayMakeTask: Bool) -> CallCourse {
        var course = CallCourse(
            CallID(high: 1, low: 2), Method.toolsCall, owner: "owner", server: "files",
            mayMakeTask: mayMakeTask)
        _ = course.way(life: life, asks: true, at: .zero, using: &random)
        _ = course.broke(.lost("cut"), at: .zero)
        return course
    }

    private func isToldOff(_ effects: [CallCourse.Effect]) -> Bool {
        if effects.count == 2, case .ask = effects[0], case .stop = effects[1] { true } else { false }
    }

    @Test(arguments: [true, false])
    mutating func `that nobody wants an answer which may name a task is told even after minutes`(
        mayMakeTask: Bool
    ) {
        var course = lost(mayMakeTask: mayMakeTask)
        #expect(failure(in: course.cancelled())?.reason == .cancelled)
        #expect(course.noWay(.unreachable, at: at(10)).count == 1)
        #expect(course.noWay(.unreachable, at: at(500)).isEmpty != mayMakeTask)
        #expect(isToldOff(course.way(life: life, asks: true, at: at(501), using: &random)) == mayMakeTask)
        var late = lost(mayMakeTask: mayMakeTask)
        _ = late.cancelled()
        #expect(late.noWay(.unreachable, at: at(601)).isEmpty && late.isOver)
    }

    @Test(arguments: [true, false])
    mutating func `a caller who was told that nobody knows has no task of the call`(mayMakeTask: Bool) {
        var course = lost(mayMakeTask: mayMakeTask)
        let effects = course.noWay(.unreachable, at: at(31))
        #expect(failure(in: effects)?.reason == .outcomeUnknown && course.isAbandoned == mayMakeTask)
        #expect(isToldOff(course.way(life: life, asks: true, at: at(60), using: &random)) == mayMakeTask)
    }

    @Test mutating func `an owner that has started again is told nothing of a call that nobody wants`() {
        var course = lost(mayMakeTask: true)
        _ = course.cancelled()
        #expect(course.way(life: life + 1, asks: true, at: at(60), using: &random).isEmpty && course.isOver)
    }
}
