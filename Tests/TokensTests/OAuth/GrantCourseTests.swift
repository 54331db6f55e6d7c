import Testing

@testable import Tokens

struct GrantCourseTests {
    private static let token = AccessToken(text: "t", life: 300)

    private static func granted(_ life: Int64? = 300, at now: Int64 = 0) -> GrantCourse {
        var course = GrantCourse()
        _ = course.next(at: now)
        course.granted(AccessToken(text: "t", life: life), at: now)
        return course
    }

    private static func number(_ step: GrantCourse.Step) -> UInt64? {
        switch step {
        case .use(let held), .useAndFetch(let held): held.number
        default: nil
        }
    }

    @Test func `of a thousand who ask at once one fetches, and then all use what it brought`() {
        var course = GrantCourse()
        #expect(course.next(at: 0) == .fetch)
        for _ in 1..<1_000 { #expect(course.next(at: 0) == .wait) }
        course.granted(Self.token, at: 10)
        for _ in 0..<1_000 { #expect(Self.number(course.next(at: 20)) == 1) }
    }

    @Test(
        arguments: [(300, 240_000, 295_000), (8, 6_000, 7_200), (86_400, 86_340_000, 86_395_000)]
            as [(Int64, Int64, Int64)])
    func `a new token is asked for before the old one ends, once, and the old one is used meanwhile`(
        life: Int64, renewal: Int64, end: Int64
    ) {
        var course = Self.granted(life)
        guard case .use = course.next(at: renewal - 1), case .useAndFetch = course.next(at: renewal),
            case .use = course.next(at: renewal)
        else {
            Issue.record("not renewed as it should be")
            return
        }
        course.granted(AccessToken(text: "u", life: life), at: renewal + 5)
        #expect(Self.number(course.next(at: renewal + 10)) == 2)
        var late = Self.granted(life)
        #expect(Self.number(late.next(at: end - 1)) == 1)
        late = Self.granted(life)
        #expect(late.next(at: end) == .fetch)
    }

    @Test func `a renewal that fails leaves the token until it ends`() {
        var course = Self.granted()
        _ = course.next(at: 240_000)
        course.failed(.busy(what: "x", status: 503), at: 240_100)
        guard case .use = course.next(at: 240_200), case .useAndFetch = course.next(at: 242_100) else {
            Issue.record("not tried again when it should be")
            return
        }
        course.failed(.rejected(status: 400, code: nil), at: 242_200)
        #expect(Self.number(course.next(at: 294_999)) == 1)
        #expect(course.next(at: 295_000) == .refuse(.rejected(status: 400, code: nil)))
    }

    @Test func `a token that is refused is replaced once for all who used it`() {
        var course = Self.granted()
        #expect(course.next(refusing: 1, at: 1_000) == .fetch)
        #expect(course.next(refusing: 1, at: 1_000) == .wait)
        course.granted(Self.token, at: 1_100)
        // Whoever comes late with the old one gets the new one.
        #expect(Self.number(course.next(refusing: 1, at: 1_200)) == 2)
        // And a backend that refuses that, too, is not given one after the other.
        for _ in 0..<100 { #expect(course.next(refusing: 2, at: 1_300) == .refuse(.freshTokenRefused)) }
        #expect(course.next(refusing: 2, at: 1_000 + GrantCourse.refusedPause) == .fetch)
    }

    @Test
    func `who is refused does not ask again for minutes, and who is not answered asks ever more rarely`() {
        let no = GrantTrouble.rejected(status: 401, code: "invalid_client")
        var course = GrantCourse()
        _ = course.next(at: 0)
        course.failed(no, at: 0)
        #expect(course.next(at: GrantCourse.refusalPause - 1) == .refuse(no))
        #expect(course.next(at: GrantCourse.refusalPause) == .fetch)

        course = GrantCourse()
        let away = GrantTrouble.unreachable("x")
        var (now, waits): (Int64, [Int64]) = (0, [])
        for _ in 0..<8 {
            _ = course.next(at: now)
            course.failed(away, at: now)
            let start = now
            while course.next(at: now) == .refuse(away) { now += 500 }
            waits.append(now - start)
        }
        #expect(waits == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    }

    @Test func `a person's word ends all waits, and the token`() {
        var course = Self.granted()
        course.forget()
        #expect(course.next(at: 1) == .fetch)
        course.failed(.rejected(status: 401, code: nil), at: 2)
        course.forget()
        #expect(course.next(at: 3) == .fetch)
    }

    @Test(arguments: [GrantTrouble.sealed("x"), .noSecret("x")])
    func `what does not open here is tried again by the next call, since nobody outside was asked`(
        trouble: GrantTrouble
    ) {
        var course = GrantCourse()
        _ = course.next(at: 0)
        course.failed(trouble, at: 0)
        #expect(course.next(at: 0) == .fetch)
    }

    @Test func `a credential that is rotated ends all waits, and no token`() {
        var course = Self.granted()
        course.credentialRotated()
        #expect(Self.number(course.next(at: 1)) == 1)
        _ = course.next(refusing: 1, at: 2)
        course.failed(.rejected(status: 401, code: "invalid_client"), at: 3)
        course.credentialRotated()
        #expect(course.next(at: 4) == .fetch)
    }

    @Test func `a life that nobody names, or that never ends, has a bound`() {
        var course = Self.granted(nil)
        #expect(Self.number(course.next(at: 294_999)) == 1)
        course = Self.granted(nil)
        #expect(course.next(at: 295_000) == .fetch)
        course = Self.granted(.max)
        #expect(Self.number(course.next(at: GrantCourse.lifeMax - GrantCourse.marginMax - 1)) == 1)
        course = Self.granted(.max)
        #expect(course.next(at: GrantCourse.lifeMax) == .fetch)
    }
}
