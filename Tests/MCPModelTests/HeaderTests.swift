import JSONSlice
import MCPModel
import Testing

@Suite struct MirroredHeadersTests {
    @Test(arguments: [
        ("disk_usage", "disk_usage"), ("two words\tand tab", "two words\tand tab"), ("", ""),
        (" lead", "=?base64?IGxlYWQ=?="), ("trail\t", "=?base64?dHJhaWwJ?="), ("é", "=?base64?w6k=?="),
        ("a\nb", "=?base64?YQpi?="), ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ("=?base64?x", "=?base64?x"), ("x?=", "x?="), ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
    ])
    func `a value is sent so that it reads as itself`(text: String, header: String) {
        #expect(MirroredHeaders.encoded(text) == header)
        #expect(MirroredHeaders.decoded(header) == text)
        #expect(MirroredHeaders.decoded(" \t" + header + " ") == text)
    }

    @Test(arguments: [
        "=?base64?Y?=", "=?base64?YQ?=", "=?base64?Y Q=?=", "=?base64?YR==?=", "=?base64?/w==?=",
    ])
    func `bad base64 and what is no UTF-8 are refused`(header: String) {
        #expect(MirroredHeaders.decoded(header) == nil)
    }

    static let schema: JSON = [
        "type": "object",
        "properties": [
            "host": ["type": "string", "x-mcp-header": "Host"],
            "deep": ["type": "object", "properties": ["n": ["type": "integer", "x-mcp-header": "N"]]],
            "flag": ["type": ["boolean", "null"], "x-mcp-header": "Flag"],
            "plain": ["type": "string", "default": ["x-mcp-header": "data, not an annotation"]],
        ],
    ]

    @Test func `a call carries all its headers`() throws {
        let params: JSON = [
            "name": "söka", "arguments": ["host": "nas1", "deep": ["n": 42], "flag": .null, "plain": "x"],
        ]
        let headers = MirroredHeaders(
            version: "2026-07-28", method: Method.toolsCall, params: params,
            parameters: try ParameterHeaders(inputSchema: Self.schema))
        #expect(
            headers.fields.map { "\($0.name): \($0.value)" } == [
                "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: =?base64?c8O2a2E=?=",
                "Mcp-Param-Host: nas1", "Mcp-Param-N: 42",
            ])
    }

    @Test(arguments: [
        (["Mcp-Param-Host": "nas1", "Mcp-Param-N": "42"], true),
        (["Mcp-Param-Host": "nas1", "Mcp-Param-N": "42.0"], true),
        (["Mcp-Param-Host": " nas1\t", "Mcp-Param-N": "42", "Mcp-Param-Other": "x"], true),
        (["Mcp-Param-Host": "=?base64?bmFzMQ==?=", "Mcp-Param-N": "42"], true),
        (["Mcp-Param-Host": "NAS1", "Mcp-Param-N": "42"], false),
        (["Mcp-Param-Host": "nas1", "Mcp-Param-N": "43"], false),
        (["Mcp-Param-Host": "nas1"], false),
        (["Mcp-Param-Host": "nas1", "Mcp-Param-N": "42", "Mcp-Param-Flag": "true"], false),
        (["Mcp-Param-Host": "=?base64?bmFzMQ=?=", "Mcp-Param-N": "42"], false),
    ])
    func `parameters must agree with the body`(headers: [String: String], isFine: Bool) throws {
        let arguments: JSON = ["host": "nas1", "deep": ["n": 42], "flag": .null]
        let parameters = try ParameterHeaders(inputSchema: Self.schema)
        let check = {
            try MirroredHeaders.check(
                { headers[$0].map { [$0] } ?? [] }, arguments: arguments, against: parameters)
        }
        if isFine {
            try check()
        } else {
            #expect { try check() } throws: { ($0 as? RPCError)?.code == RPCError.Code.headerMismatch }
        }
    }

    @Test(
        arguments: [
            (#"{"a":{"type":"string","x-mcp-header":""}}"#, .notAToken(path: ["a"])),
            (#"{"a":{"type":"string","x-mcp-header":"b c"}}"#, .notAToken(path: ["a"])),
            (#"{"a":{"type":"string","x-mcp-header":7}}"#, .notAToken(path: ["a"])),
            (#"{"a":{"type":"number","x-mcp-header":"A"}}"#, .wrongType(path: ["a"])),
            (#"{"a":{"type":"object","x-mcp-header":"A"}}"#, .wrongType(path: ["a"])),
            (#"{"a":{"x-mcp-header":"A"}}"#, .wrongType(path: ["a"])),
            (
                #"{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}"#,
                .unreachable(path: ["a"])
            ),
            (#"{"a":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}"#, .unreachable(path: ["a"])),
            (#"{"a":{"$defs":{"b":{"type":"string","x-mcp-head\u0065r":"A"}}}}"#, .unreachable(path: ["a"])),
            (
                #"{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#,
                .duplicate(name: "a")
            ),
        ] as [(String, ParameterHeaders.Violation)])
    func `an annotation that breaks a rule is told`(properties: String, violation: ParameterHeaders.Violation)
        throws
    {
        let schema: JSON = ["type": "object", "properties": try JSON(validating: properties)]
        #expect(throws: violation) { try ParameterHeaders(inputSchema: schema) }
    }

    @Test func `a property may itself be named like the annotation`() throws {
        let schema: JSON = ["properties": ["x-mcp-header": ["type": "string", "x-mcp-header": "X"]]]
        #expect(try ParameterHeaders(inputSchema: schema).parameters.map(\.path) == [["x-mcp-header"]])
    }
}

@Suite struct ModernRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var change: @Sendable (inout JSON, inout [String: [String]]) -> Void
        var code: Int?
        var status = 400
    }

    static func meta(_ change: @escaping @Sendable (JSON) -> JSON)
        -> @Sendable (
            inout JSON, inout [String: [String]]
        ) -> Void
    {
        { params, _ in params = params.setting("_meta", to: change(params["_meta"] ?? [:])) }
    }

    static func header(_ name: String, _ values: [String])
        -> @Sendable (
            inout JSON, inout [String: [String]]
        ) -> Void
    {
        { _, headers in headers[name] = values }
    }

    static let cases: [Case] = [
        Case(testDescription: "whole", change: { _, _ in }, code: nil),
        Case(testDescription: "no clientInfo", change: meta { $0.removing(MetaKey.clientInfo) }, code: nil),
        Case(testDescription: "padded header", change: header("Mcp-Method", ["  tools/call\t"]), code: nil),
        Case(
            testDescription: "no _meta", change: { params, _ in params = params.removing("_meta") },
            code: -32602),
        Case(
            testDescription: "no version in _meta", change: meta { $0.removing(MetaKey.protocolVersion) },
            code: -32602),
        Case(
            testDescription: "no capabilities", change: meta { $0.removing(MetaKey.clientCapabilities) },
            code: -32602),
        Case(
            testDescription: "capabilities no object",
            change: meta { $0.setting(MetaKey.clientCapabilities, to: []) }, code: -32602),
        Case(testDescription: "no version header", change: header("MCP-Protocol-Version", []), code: -32020),
        Case(
            testDescription: "versions differ", change: header("MCP-Protocol-Version", ["2025-11-25"]),
            code: -32020),
        Case(
            testDescription: "unknown version",
            change: { params, headers in
                meta { $0.setting(MetaKey.protocolVersion, to: "2099-01-01") }(&params, &headers)
                headers["MCP-Protocol-Version"] = ["2099-01-01"]
            }, code: -32022),
        Case(testDescription: "no method header", change: header("Mcp-Method", []), code: -32020),
        Case(testDescription: "method differs", change: header("Mcp-Method", ["Tools/call"]), code: -32020),
        Case(
            testDescription: "two methods", change: header("Mcp-Method", ["tools/call", "x"]), code: -32020),
        Case(testDescription: "no name header", change: header("Mcp-Name", []), code: -32020),
        Case(testDescription: "name differs", change: header("Mcp-Name", ["disk"]), code: -32020),
        Case(testDescription: "bad base64", change: header("Mcp-Name", ["=?base64?!?="]), code: -32020),
        Case(
            testDescription: "bad log level", change: meta { $0.setting(MetaKey.logLevel, to: "loud") },
            code: -32602, status: 200),
    ]

    @Test(arguments: cases)
    func `each fault has its code and its status`(row: Case) throws {
        let golden = try #require(try Golden("tools-call", .v2026_07_28).request)
        var params = golden.params
        var headers = [
            "MCP-Protocol-Version": ["2026-07-28"], "Mcp-Method": ["tools/call"], "Mcp-Name": ["disk_usage"],
        ]
        row.change(&params, &headers)
        let message = RPCMessage.request(id: golden.id, method: golden.method, params: params)
        let lookup: MirroredHeaders.Lookup = { headers[$0] ?? [] }
        do {
            let request = try ModernRequest(message, headers: lookup)
            #expect(row.code == nil)
            #expect(request.id == golden.id)
            #expect(request.meta.client.capabilities == ["elicitation": ["form": [:]]])
            #expect(request.meta.progressToken == "p-7")
        } catch {
            #expect(error.error.code == row.code)
            #expect(error.status == row.status)
        }
    }

    @Test(
        arguments: [
            ("tools-call", ProtocolRevision.v2026_07_28, nil, Era.modern),
            ("tools-call", .v2026_07_28, "2025-06-18", .modern),
            ("tools-call", .v2025_06_18, "2025-06-18", .legacy),
            ("tools-call", .v2025_06_18, nil, .legacy), ("tools-call", .v2025_06_18, "2026-07-28", .modern),
            ("tools-call", .v2025_06_18, "2027-01-01", .modern),
            ("tools-call", .v2025_06_18, "nonsense", .legacy),
            ("initialize", .v2025_11_25, "2026-07-28", .legacy), ("initialize", .v2024_11_05, nil, .legacy),
        ] as [(String, ProtocolRevision, String?, Era)])
    func `the era is told by the body, then the header`(
        name: String, revision: ProtocolRevision, header: String?, era: Era
    ) throws {
        let message = try #require(try Golden(name, revision).messages.first)
        #expect(ModernRequest.era(of: message, versionHeader: header) == era)
    }

    @Test func `stdio has no headers to compare`() throws {
        let message = try #require(try Golden("tools-call", .v2026_07_28).messages.first)
        #expect(try ModernRequest(message, headers: nil).method == Method.toolsCall)
    }

    @Test func `a back writes what a front stripped`() throws {
        let golden = try #require(try Golden("tools-call", .v2026_07_28).request)
        let meta = RequestMeta(params: golden.params)
        let stripped = RequestMeta.stripped(golden.params)
        #expect(stripped["_meta"]?.text == #"{"com.example.own/key":1e2}"#)
        let again = RequestMeta(version: .v2026_07_28, client: meta.client, progressToken: 7).written(
            into: stripped)
        #expect(RequestMeta(params: again).client == meta.client)
        #expect(RequestMeta(params: again).progressToken == 7)
        #expect(again["arguments"] == golden.params["arguments"])
        let bare: JSON = ["_meta": ["progressToken": 1], "name": "x"]
        #expect(RequestMeta.stripped(bare) == ["name": "x"])
    }

    @Test(arguments: [
        ("io.modelcontextprotocol/x", true), ("dev.mcp/x", true), ("com.mcp.tools/x", true),
        ("com.example.mcp/x", false), ("mcp/x", false), ("modelcontextprotocol", false), ("a/b", false),
    ])
    func `reserved keys are told by their second label`(key: String, isReserved: Bool) {
        #expect(MetaKey.isReserved(key) == isReserved)
    }

    @Test func `log levels are ordered`() {
        #expect(LogLevel.passes("error", least: "warning"))
        #expect(LogLevel.passes("info", least: "info"))
        #expect(!LogLevel.passes("debug", least: "info"))
        #expect(!LogLevel.passes("loud", least: "debug"))
    }
}
