import JSONSlice
import Testing

@testable import Composition

@Suite struct SchemaCheckTests {
    private static let order = ##"""
        {"type":"object","properties":{
          "id":{"type":"integer","minimum":1},
          "state":{"enum":["open","closed"]},
          "lines":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/line"}},
          "note":{"type":["string","null"],"maxLength":5},
          "weight":{"anyOf":[{"type":"number"},{"type":"string"}]},
          "kind":{"const":1}},
         "required":["id"],"additionalProperties":false,
         "$defs":{"line":{"type":"object","properties":{"sku":{"type":"string"}},"required":["sku"]}}}
        """##.json

    @Test(arguments: [
        #"{"id":1}"#, #"{"id":1.0}"#, #"{"id":2,"state":"open","note":null}"#,
        #"{"id":3,"lines":[{"sku":"a"},{"sku":"b","more":1}],"weight":"heavy"}"#, #"{"id":1,"kind":1.0}"#,
        #"{"id":1,"note":"ÄÖÜäö"}"#, #"{"id":1,"weight":2.5}"#,
    ])
    func `what fits is let through`(value: String) {
        #expect(SchemaCheck.mismatches(of: value.json, with: Self.order).isEmpty)
    }

    @Test(arguments: [
        (#"{}"#, "lacks id (integer)"),
        (#"{"id":"7"}"#, #"id: must be integer, is "7""#),
        (#"{"id":1.5}"#, "id: must be integer, is 1.5"),
        (#"{"id":0}"#, "id: must be at least 1, is 0"),
        (
            #"{"id":1,"state":"opne"}"#,
            #"state: must be one of "open", "closed", is "opne"; did you mean "open"?"#
        ),
        (#"{"id":1,"lines":[]}"#, "lines: must have at least 1 items, has 0"),
        (#"{"id":1,"lines":[{"sku":"a"},{}]}"#, "lines[1]: lacks sku (string)"),
        (#"{"id":1,"lines":[{"sku":5}]}"#, "lines[0].sku: must be string, is 5"),
        (#"{"id":1,"note":7}"#, "note: must be string or null, is 7"),
        (#"{"id":1,"note":"too long"}"#, "note: must have at most 5 characters, has 8"),
        (#"{"id":1,"weight":true}"#, "weight: must be number or string, is true"),
        (#"{"id":1,"kind":2}"#, "kind: must be 1, is 2"),
        (#"{"id":1,"stat":"open"}"#, "has no stat; did you mean state?"),
        (#"[]"#, "must be object, is an array"),
    ])
    func `what does not fit is told with its place and what would be right`(value: String, words: String) {
        #expect(SchemaCheck.mismatches(of: value.json, with: Self.order).map(\.description) == [words])
    }

    @Test(arguments: [
        (#"{"type":"string","pattern":"^a"}"#, #""b""#), (#"{"format":"email"}"#, #""no""#),
        (#"{"$ref":"https://elsewhere.example/s"}"#, "1"), (##"{"$ref":"#/$defs/none"}"##, "1"),
        (#"{"type":"future"}"#, "1"), ("true", "1"), (#"{"type":"string","nullable":true}"#, "null"),
        (#"{"patternProperties":{"^x-":{}},"additionalProperties":false}"#, #"{"x-a":1}"#),
        (#"{"exclusiveMinimum":true,"minimum":0}"#, "0"), (#"{"items":[{"type":"string"}]}"#, "[1]"),
        (#"{"unevaluatedProperties":false}"#, #"{"a":1}"#), (#"{"minimum":"3"}"#, "1"), ("[]", "1"),
    ])
    func `what it does not know it holds for fitting`(schema: String, value: String) {
        #expect(SchemaCheck.mismatches(of: value.json, with: schema.json).isEmpty)
    }

    @Test func `of several forms the one that got furthest is told`() {
        let schema = #"""
            {"anyOf":[{"type":"null"},{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}]}
            """#.json
        #expect(
            SchemaCheck.mismatches(of: #"{"a":"x"}"#.json, with: schema).map(\.description)
                == [#"a: must be integer, is "x""#])
    }

    @Test(arguments: [
        #"{"properties":{"kind":{"pattern":"^ext"}}}"#, #"{"not":{"required":["kind"]}}"#,
        #"{"contains":{"const":1}}"#,
        #"{"dependentRequired":{"kind":["url"]}}"#,
    ])
    func `a condition that is not understood asks for nothing`(condition: String) {
        let schema = #"{"if":\#(condition),"then":{"required":["url"]}}"#.json
        #expect(SchemaCheck.mismatches(of: #"{"kind":"int"}"#.json, with: schema).isEmpty)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a great many members that do not belong there are told a few at a time`() {
        let value = JSON.object((0..<40_000).map { ("member\($0)", 1) })
        let found = SchemaCheck.mismatches(
            of: value, with: #"{"properties":{"query":{}},"additionalProperties":false}"#.json)
        #expect(found.count == SchemaCheck.mismatchesMax)
        let large = JSON.object([("x", .string(String(repeating: "y", count: SchemaCheck.valueBytesMax)))])
        #expect(SchemaCheck.mismatches(of: large, with: #"{"additionalProperties":false}"#.json).isEmpty)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a schema that sends the check through itself again and again is left in time`() {
        let junk = String(repeating: "j", count: 200_000)
        let schema =
            ##"{"$defs":{"junk":"\##(junk)","a":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##
        #expect(SchemaCheck.mismatches(of: ["x": 1], with: schema.json).isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func `forms that would all be told with a suggestion are left in time`() {
        let names = (0..<1_500).map { #""property_number_\#($0)":{}"# }.joined(separator: ",")
        let forms = [String](repeating: ##"{"$ref":"#/$defs/a"}"##, count: 3_000).joined(separator: ",")
        let schema =
            ##"{"$defs":{"a":{"properties":{\##(names)},"additionalProperties":false}},"anyOf":[\##(forms)]}"##
        let value = JSON.object((0..<8).map { ("property_nomber_\($0)", 1) })
        let start = ContinuousClock.now
        _ = SchemaCheck.mismatches(of: value, with: schema.json)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func `a condition governs its branch`() {
        let schema = #"""
            {"if":{"properties":{"how":{"const":"mail"}},"required":["how"]},"then":{"required":["address"]}}
            """#.json
        #expect(
            SchemaCheck.mismatches(of: #"{"how":"mail"}"#.json, with: schema).map(\.description) == [
                "lacks address"
            ])
        #expect(SchemaCheck.mismatches(of: #"{"how":"post"}"#.json, with: schema).isEmpty)
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ##"{"$ref":"#"}"##, ##"{"anyOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}"##,
            ##"{"allOf":[{"$ref":"#"},{"$ref":"#"}],"properties":{"a":{"$ref":"#"}}}"##,
        ])
    func `a schema without end is left where its bounds are`(schema: String) {
        var value: JSON = ["a": 1]
        for _ in 0..<50 { value = ["a": value] }
        #expect(SchemaCheck.mismatches(of: value, with: schema.json).isEmpty)
    }

    @Test func `no more is told than somebody mends at once`() {
        let value = JSON.object((0..<100).map { ("x\($0)", 1) })
        let found = SchemaCheck.mismatches(of: value, with: #"{"additionalProperties":false}"#.json)
        #expect(found.count == SchemaCheck.mismatchesMax)
    }
}
