import Testing

@testable import Admin

struct AdminTokenTests {
    @Test(arguments: [
        ("Bearer ma_token", true), ("bearer ma_token", true), ("BEARER ma_token", true),
        ("Bearer ma_tokeN", false), ("Bearer ma_toke", false), ("Bearer ma_token2", false),
        ("Bearer ", false),
        ("Bearer", false), ("", false), ("Basic ma_token", false), ("ma_token", false),
        ("Bearer  ma_token", false),
        ("Bearer ma_token ", false), ("Bearer ma_toke\u{0}", false),
    ])
    func `only the whole token opens`(header: String, opens: Bool) {
        #expect(AdminToken("ma_token").admits(authorization: header) == opens)
    }

    @Test func `no header is no token`() { #expect(!AdminToken("ma_token").admits(authorization: nil)) }

    @Test(arguments: ["Bearer ", "Bearer x"])
    func `an empty token opens to nobody`(header: String) {
        #expect(!AdminToken("").admits(authorization: header))
    }
}
