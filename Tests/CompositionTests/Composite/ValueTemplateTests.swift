import JSONSlice
import Testing

@testable import Composition

struct ValueTemplateTests {
    private static let scope = StepScope(
        input:
            #"{"id":"T 1","n":1.50,"deep":{"b":2,"a":[10,{"x":null}]},"a/b":"slash","big":12345678901234567890}"#
            .json,
        results: [
            "find": #"{"structuredContent":{"parts":["p","q"]},"content":[{"type":"text","text":"hi"}]}"#
                .json,
            "left_out": .null,
        ],
        item: (#"{"id":7}"#.json, 3))

    @Test(arguments: [
        // What stands for a value is that value, of whatever type, digits and order kept.
        (#"{"a":"${/input/id}"}"#, #"{"a":"T 1"}"#),
        (#"["${/input/n}","${/input/big}"]"#, "[1.50,12345678901234567890]"),
        (#""${/input/deep}""#, #"{"b":2,"a":[10,{"x":null}]}"#),
        (#""${/input/deep/a/0}""#, "10"),
        (#""${/input/deep/a/1/x}""#, "null"),
        (#""${/input/a~1b}""#, #""slash""#),
        (#""${/steps/find/content/0/text}""#, #""hi""#),
        (#"{"all":"${/input}"}"#, "{\"all\":\(scope.input.text)}"),
        (#""${/item/id}""#, "7"),
        (#""${/index}""#, "3"),
        (#""${/steps/left_out}""#, "null"),
        // In a longer text it is text.
        (#""ticket ${/input/id}: ${/input/n}""#, #""ticket T 1: 1.50""#),
        (#""${/steps/find/structuredContent/parts}!""#, #""[\"p\",\"q\"]!""#),
        // What may be missing leaves its member or element out.
        (#"{"a":"${/input/none?}","b":1}"#, #"{"b":1}"#),
        (#"[1,"${/input/none?}",2]"#, "[1,2]"),
        (#"{"a":"x${/input/none?}y"}"#, #"{"a":"xy"}"#),
        (#"{"a":"${/input/id?}"}"#, #"{"a":"T 1"}"#),
        // Everything else stays to the byte.
        (#"{"x": 1.0, "y":[ true ] }"#, #"{"x": 1.0, "y":[ true ] }"#),
        (#""$5 and $${/input/id} and $""#, #""$5 and ${/input/id} and $""#),
        (#""$${a} ${/input/id}""#, #""${a} T 1""#),
    ])
    func `a template makes the value it describes`(text: String, made: String) throws {
        let template = try ValueTemplate(text.json)
        #expect(try template.filled(from: Self.scope, bytesMax: 1_000).text == made)
        #expect(template.source.text == text)
    }

    @Test(arguments: [
        (#""${/input/none}""#, "${/input/none} leads nowhere; if it may be missing, write ${/input/none?}"),
        (
            #"{"a":["${/steps/left_out/structuredContent/id}"]}"#,
            "${/steps/left_out/structuredContent/id} leads nowhere; if it may be missing, write ${/steps/left_out/structuredContent/id?}"
        ),
        (
            #"["${/input}","${/input}","${/input}","${/input}","${/input}"]"#,
            "the values it stands for have more than 300 bytes together"
        ),
    ])
    func `what leads nowhere, or grows too large, makes nothing`(text: String, problem: String) throws {
        let template = try ValueTemplate(text.json)
        let error = #expect(throws: TemplateError.self) {
            try template.filled(from: Self.scope, bytesMax: 300)
        }
        #expect(error?.description == problem)
    }

    @Test(arguments: [
        #""${/input/id""#, #""${input/id}""#, #""${}""#, #""${/inputs/id}""#, #""${/steps}""#,
        #""${/steps/}""#,
        #""${/index/0}""#, #""${/input/a~2}""#, #""${/input/a~}""#, #"{"a":[{"b":"${/results/x}"}]}"#,
        #""${/steps/a b/c}""#,
    ])
    func `what is no pointer is refused when it is read`(text: String) {
        #expect(throws: TemplateError.self) { try ValueTemplate(text.json) }
    }

    @Test(arguments: [
        // value, condition, whether it holds
        ("/input/id", StepCondition.Test.equal("T 1"), true),
        ("/input/id", .equal("t 1"), false),
        ("/input/n", .equal("1.5".json), true),
        ("/input/deep/b", .equal("2.0".json), true),
        ("/input/deep/b", .equal("2"), false),
        ("/input/big", .equal("12345678901234567890".json), true),
        ("/input/id", .unequal("x"), true),
        ("/input/none", .unequal("x"), false),
        ("/input/none", .equal(.null), false),
        ("/input/id", .oneOf(["a", "T 1"]), true),
        ("/input/id", .oneOf(["a"]), false),
        ("/input/id", .exists(true), true),
        ("/input/none", .exists(true), false),
        ("/input/none", .exists(false), true),
        ("/input/deep/a/1/x", .exists(false), true),
        ("/steps/left_out", .exists(true), false),
        ("/input/n", .above(1), true),
        ("/input/n", .below(1), false),
        ("/input/deep/b", .below("2.5".json), true),
        ("/input/id", .above(1), false),
        ("/item/id", .equal(7), true),
    ])
    func `a condition holds for what its pointer leads to`(
        pointer: String, test: StepCondition.Test, holds: Bool
    ) throws {
        let pointer = try #require(StepPointer(pointer))
        #expect(StepCondition(pointer, test).holds(in: Self.scope) == holds)
    }
}
