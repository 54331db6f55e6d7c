import JSONSlice
import MartletTestKit
import Testing
import Translate

struct TranslateTests {
    private static let pets = """
        {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
         "paths": {
          "/pets/{id}": {
           "parameters": [{"$ref": "#/components/parameters/Id"}, {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}],
           "get": {"operationId": "showPet", "summary": "One pet", "parameters": [
             {"name": "fields", "in": "query", "description": "Which", "schema": {"type": "array", "items": {"type": "string"}}}]},
           "delete": {"operationId": "showPet"},
           "put": {"requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}}},
         "components": {
          "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}},
          "schemas": {
           "Pet": {"type": "object", "properties": {"name": {"type": "string"}, "parents": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}, "home": {"$ref": "#/components/schemas/Home"}}},
           "Home": {"type": "string"}, "Unused": {"type": "null"}}}}
        """

    private func tools(_ text: String = pets) throws -> [TranslatedTool] {
        try APIDescription(JSON(validating: text)).tools
    }

    @Test func `each operation is a tool, and no two have one name`() throws {
        let tools = try tools()
        #expect(tools.map(\.name) == ["showPet", "showPet_2", "put_pets_id_"])
        #expect(tools.map(\.plan.method) == ["GET", "DELETE", "PUT"])
        #expect(tools[0].definition["description"]?.string == "One pet")
        #expect(tools[0].definition["annotations"]?["readOnlyHint"]?.bool == true)
        #expect(tools[1].definition["annotations"]?["destructiveHint"]?.bool == true)
        let schema = try #require(tools[0].definition["inputSchema"])
        #expect(schema["required"]?.elements.map(\.string) == ["id"])
        #expect(schema["properties"]?.members.map(\.key) == ["fields", "id", "X-Trace"])
        #expect(schema["properties"]?["fields"]?["description"]?.string == "Which")
    }

    @Test func `a schema brings along what it refers to, once, and nothing else`() throws {
        let schema = try #require(try tools()[2].definition["inputSchema"])
        #expect(schema.pointer("/properties/body/$ref")?.string == "#/$defs/Pet")
        #expect(schema["$defs"]?.members.map(\.key) == ["Pet", "Home"])
        #expect(schema.pointer("/$defs/Pet/properties/parents/items/$ref")?.string == "#/$defs/Pet")
    }

    @Test func `a call's arguments go where the description wants them`() throws {
        let plan = try tools()[0].plan
        let arguments: JSON = ["id": 7, "fields": ["a b", "c&d"], "X-Trace": "t"]
        let request = try plan.fill(arguments)
        #expect(request.method == "GET" && request.target == "/pets/7?fields=a%20b&fields=c%26d")
        #expect(request.headers.map { [$0.name, $0.value] } == [["X-Trace", "t"]])
        #expect(request.body == nil)
        let body: JSON = ["name": "Rex"]
        #expect(try tools()[2].plan.fill(["id": "a/../b", "body": body]).target == "/pets/a%2F..%2Fb")
        #expect(try tools()[2].plan.fill(["id": 1, "body": body]).body == body)
    }

    @Test(arguments: [
        ("{}", TranslateError.missing(argument: "id")),
        (#"{"id": 1, "else": 2}"#, .unknown(argument: "else")),
        (#"{"id": ".."}"#, .unfit(argument: "id", why: "is a part of the path and cannot be \"..\"")),
        (
            #"{"id": {}}"#,
            .unfit(argument: "id", why: "must be text, a number, a boolean, or an array of these")
        ),
        (
            #"{"id": 1, "X-Trace": "a\r\nHost: b"}"#,
            .unfit(argument: "X-Trace", why: "goes into a header and may hold printable ASCII only")
        ),
    ])
    func `what cannot be sent is refused by the argument's name`(
        arguments: String, error: TranslateError
    ) throws {
        let plan = try tools()[0].plan
        let given = try JSON(validating: arguments)
        #expect(throws: error) { try plan.fill(given) }
    }

    @Test(arguments: [
        "{}", "[]", #"{"openapi": "2.0", "paths": {}}"#, #"{"openapi": "3.0.0", "paths": []}"#,
        #"{"swagger": "2.0"}"#,
    ])
    func `what is no OpenAPI description is refused`(text: String) {
        #expect(throws: TranslateError.notOpenAPI) { try tools(text) }
    }

    @Test func `a description without end is refused`() {
        let paths = (0...APIDescription.operationsMax).map { "\"/\($0)\": {\"get\": {}}" }.joined(
            separator: ",")
        #expect(throws: TranslateError.tooManyOperations(limit: APIDescription.operationsMax)) {
            try tools("{\"openapi\": \"3.0.3\", \"paths\": {\(paths)}}")
        }
    }

    @Test(arguments: [
        "Host", "authorization", "Content-Length", "X-Forwarded-For", "", "a b", "X\\r\\nHost", "Ünter",
    ])
    func `a description cannot have callers set what is the sender's, or what is no header`(name: String)
        throws
    {
        let text = """
            {"openapi": "3.0.0", "paths": {"/a": {"get": {"parameters": [
             {"name": "\(name)", "in": "header"}, {"name": "X-Fine", "in": "header"}]}}}}
            """
        #expect(try tools(text)[0].plan.places.map(\.name) == ["X-Fine"])
    }

    @Test func `one name in two parts of a request is two arguments, and every placeholder is one`() throws {
        let text = """
            {"openapi": "3.0.0", "paths": {"/a/{id}/{forgotten}": {"get": {"parameters": [
             {"name": "id", "in": "query"}, {"name": "id", "in": "path"}, {"name": "none", "in": "path"}]}}}}
            """
        let plan = try tools(text)[0].plan
        #expect(plan.places.map(\.argument) == ["id", "path_id", "forgotten"])
        let arguments: JSON = ["id": "q", "path_id": "p", "forgotten": ["x", "y z"]]
        #expect(try plan.fill(arguments).target == "/a/p/x,y%20z?id=q")
        #expect(throws: TranslateError.missing(argument: "forgotten")) {
            try plan.fill(["path_id": "p"])
        }
    }

    @Test func `a reference into the middle of a schema comes along, one that leads nowhere allows anything`()
        throws
    {
        let text = """
            {"openapi": "3.0.0", "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema":
             {"properties": {"deep": {"$ref": "#/components/schemas/Pet/properties/a~1b"},
              "gone": {"$ref": "#/nowhere"}, "away": {"$ref": "other.json#/x"}}}}}}}}},
             "components": {"schemas": {"Pet": {"properties": {"a/b": {"type": "integer"}}}}}}
            """
        let schema = try #require(try tools(text)[0].definition["inputSchema"])
        #expect(schema.pointer("/properties/body/properties/gone") == .emptyObject)
        #expect(schema.pointer("/properties/body/properties/away") == .emptyObject)
        let deep = try #require(schema.pointer("/properties/body/properties/deep/$ref")?.string)
        #expect(schema.pointer(String(deep.dropFirst()))?["type"]?.string == "integer")
    }

    @Test func `an operation that brings along too much is left out, the others stay`() throws {
        let large = String(repeating: "x", count: APIDescription.definitionBytesMax)
        let text = """
            {"openapi": "3.0.0", "paths": {"/a": {
              "get": {"operationId": "small"},
              "put": {"operationId": "large", "parameters": [
               {"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/Large"}}]},
              "post": {"operationId": "wide", "parameters": [
               {"name": "q", "in": "query", "schema": {"description": "\(large)"}}]}}},
             "components": {"schemas": {"Large": {"description": "\(large)"}}}}
            """
        let description = try APIDescription(JSON(validating: text))
        #expect(description.tools.map(\.name) == ["small"])
        #expect(description.leftOut == ["large", "wide"])
    }

    /// Counts by another reader, written beside the descriptions.
    @Test(arguments: [("petstore", 19), ("uspto", 3)])
    func `of a published description every operation becomes a tool that stands alone`(
        name: String, operations: Int
    ) throws {
        let description = try APIDescription(JSON(validating: Fixture.bytes("api/\(name).json")))
        #expect(description.tools.count == operations && description.leftOut.isEmpty)
        #expect(Set(description.tools.map(\.name)).count == operations)
        for tool in description.tools {
            let schema = try #require(tool.definition["inputSchema"])
            #expect(schema["properties"]?.members.map(\.key) == tool.plan.places.map(\.argument))
            for target in Self.references(in: schema) {
                #expect(target.hasPrefix("#/$defs/"), "\(tool.name): \(target)")
                #expect(schema.pointer(String(target.dropFirst())) != nil, "\(tool.name): \(target)")
            }
            let given = tool.plan.places.filter(\.isRequired).map { ($0.argument, JSON.string("v")) }
            let request = try tool.plan.fill(.object(given))
            #expect(!request.target.contains("{"), "\(tool.name): \(request.target)")
        }
    }

    private static func references(in schema: JSON) -> [String] {
        switch schema.kind {
        case .object:
            schema.members.flatMap { key, value in
                key == "$ref" ? [value.string].compactMap { $0 } : references(in: value)
            }
        case .array: schema.elements.flatMap(references(in:))
        case .string, .number, .bool, .null: []
        }
    }

    @Test func `parts of a description that are not what they should be are passed over`() throws {
        let text = """
            {"openapi": "3.0.0", "paths": {"/a": {"get": {"parameters": [1, {"name": 2}, {"$ref": "#/nowhere"}],
             "requestBody": 3, "operationId": "ä ö"}, "post": 4}}}
            """
        let tools = try tools(text)
        #expect(tools.map(\.plan.places.count) == [0, 0])
        #expect(try tools[0].plan.fill(.emptyObject).target == "/a")
    }
}
