import Catalog
import Composition
import JSONSlice
import Testing

@Suite struct NarrowingTests {
    private static func tool(_ schema: String) -> JSON {
        ["name": "t", "x-vendor": 1.50, "inputSchema": schema.json]
    }

    private static func narrowed(
        _ schema: String, set: [Argument] = [], default defaults: [Argument] = []
    ) throws(NarrowingError) -> String? {
        try Narrowing.narrow(tool(schema), of: .tool, fixed: set, defaults: defaults)["inputSchema"]?.text
    }

    @Test func `a fixed argument leaves properties and required, and every other byte stays`() throws {
        let schema = """
            { "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
              "properties": { "repo": {"type":"string"}, "n": {"$ref": "#/$defs/n"} },
              "required": ["repo","n"], "$defs": {"n": {"type":"integer","minimum":1e0}}, "additionalProperties": false }
            """
        let expected = """
            { "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
              "properties": { "n": {"$ref": "#/$defs/n"} },
              "required": ["n"], "$defs": {"n": {"type":"integer","minimum":1e0}}, "additionalProperties": false }
            """
        #expect(try Self.narrowed(schema, set: [Argument("repo", "acme/plant")]) == expected)
    }

    @Test func `required goes when it would be empty`() throws {
        let schema = #"{"type":"object","properties":{"a":{}},"required":["a"]}"#
        #expect(try Self.narrowed(schema, set: [Argument("a", 1)]) == #"{"type":"object","properties":{}}"#)
    }

    @Test func `a default is written into the argument's schema, and it is no longer required`() throws {
        let schema = #"{"properties":{"a":{"type":"array","default":[]},"b":true},"required":["a","b"]}"#
        let result = try Self.narrowed(schema, default: [Argument("a", ["ops"]), Argument("b", 2)])
        #expect(result == #"{"properties":{"a":{"type":"array","default":["ops"]},"b":{"default":2}}}"#)
    }

    @Test(arguments: [
        (#"{"properties":{"repository":{}}}"#, NarrowingError.unknownArgument("repo", nearest: nil)),
        (#"{"properties":{"repos":{}}}"#, .unknownArgument("repo", nearest: "repos")),
        (##"{"$ref":"#/$defs/all","properties":{"repo":{}}}"##, .schemaNotPlain(keyword: "$ref")),
        (#"{"minProperties":1,"properties":{"repo":{}}}"#, .schemaNotPlain(keyword: "minProperties")),
        (#"{"properties":{"repo":{}},"allOf":[{"required":["repo"]}]}"#, .mentioned("repo", in: "allOf")),
        (
            #"{"properties":{"repo":{}},"anyOf":[{"properties":{"repo":{"const":"a"}}}]}"#,
            .mentioned("repo", in: "anyOf")
        ),
        (##"{"properties":{"repo":{}},"if":{"$ref":"#/$defs/x"}}"##, .mentioned("repo", in: "if")),
        (
            #"{"properties":{"repo":{}},"dependentRequired":{"a":["repo"]}}"#,
            .mentioned("repo", in: "dependentRequired")
        ),
        (##"{"properties":{"repo":{},"other":{"$ref":"#/properties/repo"}}}"##, .referredTo("repo")),
        (
            ##"{"properties":{"repo":{},"o":{"items":[{"$ref":"#/properties/repo/items"}]}}}"##,
            .referredTo("repo")
        ),
        (#"{"properties":{"repo":{"$anchor":"r"}}}"#, .referredTo("repo")),
        (##"{"properties":{"repo":{},"child":{"$ref":"#"}}}"##, .refersToItself),
        (##"{"$dynamicAnchor":"n","properties":{"repo":{},"child":{"$dynamicRef":"#n"}}}"##, .refersToItself),
        (##"{"$id":"s","properties":{"repo":{},"o":{"$ref":"s#/properties/repo"}}}"##, .referredTo("repo")),
        (#"{"properties":{"repo":{}},"anyOf":[{"maxProperties":1}]}"#, .mentioned("repo", in: "anyOf")),
        (#"{"properties":{"repo":{}},"not":{"const":{}}}"#, .mentioned("repo", in: "not")),
        (
            #"{"properties":{"repo":{}},"propertyNames":{"enum":["repo"]}}"#,
            .mentioned("repo", in: "propertyNames")
        ),
        (
            #"{"properties":{"repo":false}}"#,
            .wrongValue("repo", SchemaMismatch(at: "", "is not allowed here"))
        ),
        (
            #"{"properties":{"repo":{"type":"integer"}}}"#,
            .wrongValue("repo", SchemaMismatch(at: "", #"must be integer, is "a""#))
        ),
        (
            #"{"properties":{"repo":{"enum":["bb","cc"]}}}"#,
            .wrongValue("repo", SchemaMismatch(at: "", #"must be one of "bb", "cc", is "a""#))
        ),
        (
            #"{"properties":{"repo":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}"#,
            .wrongValue("repo", SchemaMismatch(at: "", #"must be integer or null, is "a""#))
        ),
        (
            ##"{"properties":{"repo":{"$ref":"#/$defs/r"}},"$defs":{"r":{"const":"b"}}}"##,
            .wrongValue("repo", SchemaMismatch(at: "", #"must be "b", is "a""#))
        ),
    ])
    func `where a change would not be plainly right it is refused with the reason`(
        schema: String, error: NarrowingError
    ) {
        #expect(throws: error) { try Self.narrowed(schema, set: [Argument("repo", "a")]) }
    }

    @Test(arguments: [
        #"{"properties":{"repo":{}},"allOf":[{"required":["other"]}]}"#,
        #"{"properties":{"repo":{}},"additionalProperties":false,"patternProperties":{"^x-":{}}}"#,
        ##"{"properties":{"repo":{"type":["string","null"]},"repo2":{"$ref":"#/properties/repository"}}}"##,
    ])
    func `keywords that do not concern the argument are no obstacle`(schema: String) throws {
        let result = try #require(try Self.narrowed(schema, set: [Argument("repo", "a")]))
        #expect(result.json["properties"]?["repo"] == nil)
    }

    @Test func `a default is refused where another argument shares the schema, which would promise it too`() {
        let schema = ##"{"properties":{"repo":{},"other":{"$ref":"#/properties/repo"}}}"##
        #expect(throws: NarrowingError.referredTo("repo")) {
            try Self.narrowed(schema, default: [Argument("repo", "a")])
        }
    }

    @Test func `a default is refused where nothing is allowed`() {
        #expect(throws: NarrowingError.wrongValue("repo", SchemaMismatch(at: "", "is not allowed here"))) {
            try Self.narrowed(#"{"properties":{"repo":false}}"#, default: [Argument("repo", "a")])
        }
    }

    @Test func `arguments that refer to one another can be set together`() throws {
        let schema =
            ##"{"properties":{"a":{"type":"string"},"b":{"$ref":"#/properties/a"},"child":{"$ref":"#"}}}"##
        let all = [Argument("a", "1"), Argument("b", "2"), Argument("child", .emptyObject)]
        #expect(try Self.narrowed(schema, set: all) == #"{"properties":{}}"#)
    }

    @Test func `what is set in a prompt is a text`() {
        let prompt = #"{"name":"p","arguments":[{"name":"a"}]}"#.json
        #expect(throws: NarrowingError.wrongValue("a", SchemaMismatch(at: "", "must be string, is 1"))) {
            try Narrowing.narrow(prompt, of: .prompt, fixed: [Argument("a", 1)], defaults: [])
        }
    }

    @Test func `a prompt loses a fixed argument and no longer requires one with a default`() throws {
        let prompt = #"{"name":"p","arguments":[{"name":"a","required":true},{"name":"b","required":true}]}"#
            .json
        let result = try Narrowing.narrow(
            prompt, of: .prompt, fixed: [Argument("a", "1")], defaults: [Argument("b", "2")])
        #expect(result.text == #"{"name":"p","arguments":[{"name":"b","required":false}]}"#)
    }

    @Test(arguments: [
        (#"{"name":"shown"}"#, #"{"name":"own","arguments":{"labels":["ops"],"repo":"acme"}}"#),
        (
            #"{"name":"shown","arguments":{"title":"x"},"_meta":{"a":1}}"#,
            #"{"name":"own","arguments":{"title":"x","labels":["ops"],"repo":"acme"},"_meta":{"a":1}}"#
        ),
        (
            #"{"name":"shown","arguments":{"labels":[],"repo":"evil"}}"#,
            #"{"name":"own","arguments":{"labels":[],"repo":"acme"}}"#
        ),
        (
            #"{"name":"shown","arguments":[1]}"#,
            #"{"name":"own","arguments":{"labels":["ops"],"repo":"acme"}}"#
        ),
        (
            #"{"name":"shown","arguments":{"r\u0065po":"evil","labels":null}}"#,
            #"{"name":"own","arguments":{"r\u0065po":"acme","labels":null}}"#
        ),
    ])
    func `what is fixed always wins, and defaults fill only gaps`(params: String, expected: String) {
        let binding = Binding(
            server: SampleMesh.key("github"), entry: .tool("own"), fixed: [Argument("repo", "acme")],
            defaults: [Argument("labels", ["ops"])])
        #expect(binding.arguments(applyingTo: params.json).text == expected)
    }

    @Test func `without arguments to add only the name changes`() {
        let binding = Binding(server: SampleMesh.key("github"), entry: .tool("own"))
        let params = #"{ "arguments": {"a": 1.0e2, "b":"é"}, "name": "shown" }"#.json
        #expect(
            binding.arguments(applyingTo: params).text
                == #"{ "arguments": {"a": 1.0e2, "b":"é"}, "name": "own" }"#)
    }
}
