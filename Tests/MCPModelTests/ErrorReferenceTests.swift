import MCPModel
import MartletTestKit
import Testing

struct ErrorReferenceTests {
    @Test(arguments: Reason.allCases)
    func `the reference lists every reason under its code`(reason: Reason) throws {
        let page = try Fixture.text("../docs/reference/errors.md")
        #expect(page.contains("| \(CallFailureCode.code(of: reason)) | `\(reason.rawValue)` |"))
    }

    @Test func `no code is given twice`() {
        #expect(Set(Reason.allCases.map(CallFailureCode.code)).count == Reason.allCases.count)
    }
}
