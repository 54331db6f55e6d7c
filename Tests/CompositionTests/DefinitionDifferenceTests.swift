import Composition
import JSONSlice
import MartletTestKit
import Testing

@Suite struct DefinitionDifferenceTests {
    private static let old: JSON = [
        "title": "Ops",
        "use": [["from": "erp", "only": ["get_*"]], ["tool": "github/create", "as": "ticket"]],
    ]

    private static func told(_ new: JSON?) -> [String] {
        DefinitionDifference.between(old, new).map { difference in
            "\(difference.place): \(difference.old?.text ?? "-") > \(difference.new?.text ?? "-")"
        }
    }

    @Test func `the same differ in nothing`() { #expect(Self.told(Self.old).isEmpty) }

    @Test(arguments: [
        (
            #"{"title":"Plant","use":[{"from":"erp","only":["get_*"]},{"tool":"github/create","as":"ticket"}]}"#,
            [#"title: "Ops" > "Plant""#]
        ),
        (
            #"{"title":"Ops","use":[{"from":"erp"},{"tool":"github/create","as":"ticket"}]}"#,
            [#"use: from erp.only: ["get_*"] > -"#]
        ),
        (
            #"{"title":"Ops","use":[{"from":"erp","only":["get_*"]}]}"#,
            [#"use: tool github/create: {"tool":"github/create","as":"ticket"} > -"#]
        ),
        (
            #"{"title":"Ops","use":[{"from":"erp","only":["get_*"]},{"from":"mes"},{"tool":"github/create","as":"ticket"}]}"#,
            [#"use: from mes: - > {"from":"mes"}"#]
        ),
        (
            #"{"title":"Ops","use":[{"tool":"github/create","as":"ticket"},{"from":"erp","only":["get_*"]}]}"#,
            [#"use: order: ["from erp","tool github/create"] > ["tool github/create","from erp"]"#]
        ),
        (
            #"{"use":[{"from":"erp","only":["get_*"]},{"tool":"github/create","as":"ticket"}]}"#,
            [#"title: "Ops" > -"#]
        ),
    ])
    func `a change is told where it is`(new: String, told: [String]) { #expect(Self.told(new.json) == told) }

    @Test func `from nothing and to nothing everything differs`() {
        #expect(DefinitionDifference.between(nil, Self.old).count == 3)
        #expect(DefinitionDifference.between(Self.old, nil).allSatisfy { $0.new == nil })
    }
}
