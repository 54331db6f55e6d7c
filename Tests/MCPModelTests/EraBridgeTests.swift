import JSONSlice
import MCPModel
import Testing

@Suite struct EraBridgeTests {
    @Test func `a missing resource is told in each era's way`() {
        let params: JSON = ["uri": "x://y"]
        for answer in [
            EraBridge.Answer.error(["code": -32002, "message": "gone"]), .result(["contents": []]),
        ] {
            let modern = EraBridge.modernAnswer(
                fromLegacy: answer, method: Method.resourcesRead, params: params, capabilities: [:])
            guard case .error(let error) = modern else {
                Issue.record("\(modern)")
                continue
            }
            #expect(error["code"] == -32602)
            #expect(error["data"]?["uri"] == "x://y")
            let legacy = EraBridge.legacyAnswer(
                fromModern: modern, method: Method.resourcesRead, revision: .v2025_06_18)
            #expect(legacy == .error(error.setting("code", to: -32002)))
        }
    }

    @Test(arguments: [-32020, -32021, -32022])
    func `modern codes do not leak into legacy`(code: Int) {
        let error: JSON = ["code": .number(code), "message": "m", "data": ["supported": []]]
        let legacy = EraBridge.legacyError(fromModern: error, method: Method.toolsCall)
        #expect(legacy == ["code": -32603, "message": "m"])
    }

    @Test(arguments: [-32602, -32603, 7001, 5])
    func `other errors cross to the byte`(code: Int) {
        let error: JSON = ["code": .number(code), "message": "m", "own": 1.5]
        #expect(EraBridge.legacyError(fromModern: error, method: Method.toolsCall) == error)
        #expect(
            EraBridge.modernAnswer(
                fromLegacy: .error(error), method: Method.toolsCall, params: [:], capabilities: [:])
                == .error(error))
    }

    @Test func `a URL elicitation becomes a request for input, where the client can`() throws {
        let error = try JSON(
            validating: #"""
                {"code":-32042,"message":"first log in","data":{"elicitations":[
                {"mode":"url","elicitationId":"e1","url":"https://x.example/login","message":"Log in"}]}}
                """#)
        func answer(_ capabilities: JSON, _ method: String = Method.toolsCall) -> EraBridge.Answer {
            EraBridge.modernAnswer(
                fromLegacy: .error(error), method: method, params: [:], capabilities: capabilities)
        }
        guard case .result(let result) = answer(["elicitation": ["url": [:]]]) else {
            Issue.record("no result")
            return
        }
        #expect(result["resultType"] == "input_required")
        let request = result["inputRequests"]?["url-1"]
        #expect(request?["method"]?.string == Method.elicitationCreate)
        #expect(request?["params"]?["url"] == "https://x.example/login")
        #expect(request?["params"]?["elicitationId"] == nil)
        guard case .error(let refused) = answer(["elicitation": [:]]) else {
            Issue.record("no error")
            return
        }
        #expect(refused["code"] == -32021)
        #expect(
            answer(["elicitation": ["url": [:]]], Method.completionComplete)
                == .error(error.setting("code", to: -32603)))
    }

    @Test(arguments: ["decline", "cancel"])
    func `who would not visit the URL is not asked for ever`(action: String) {
        let params: JSON = ["name": "x", "inputResponses": ["url-1": ["action": .string(action)]]]
        let error: JSON = [
            "code": -32042, "message": "m", "data": ["elicitations": [["url": "https://x.example/"]]],
        ]
        let answer = EraBridge.modernAnswer(
            fromLegacy: .error(error), method: Method.toolsCall, params: params,
            capabilities: ["elicitation": ["url": [:]]])
        guard case .error(let said) = answer else { Issue.record("asked again"); return }
        #expect(said["code"]?.int == -32603)
    }

    @Test func `the members of a retry stay in modern`() {
        let params: JSON = ["name": "x", "inputResponses": ["a": [:]], "requestState": "s", "arguments": [:]]
        #expect(EraBridge.legacyParams(fromModern: params) == ["name": "x", "arguments": [:]])
    }

    @Test(arguments: ProtocolRevision.legacy)
    func `structured content that is no object goes, its text stays`(revision: ProtocolRevision) {
        let alone: JSON = ["resultType": "complete", "content": [], "structuredContent": [1, 2]]
        #expect(
            EraBridge.legacyResult(fromModern: alone, method: Method.toolsCall, revision: revision)
                == ["content": [["type": "text", "text": "[1,2]"]]])
        let told: JSON = ["content": [["type": "text", "text": "1 and 2"]], "structuredContent": [1, 2]]
        #expect(
            EraBridge.legacyResult(fromModern: told, method: Method.toolsCall, revision: revision)
                == ["content": [["type": "text", "text": "1 and 2"]]])
    }

    @Test func `prompts lose titles and links where they are unknown`() {
        let prompts: JSON = [
            "prompts": [
                ["name": "p", "title": "P", "arguments": [["name": "a", "title": "A", "required": true]]]
            ],
            "resultType": "complete", "ttlMs": 5, "cacheScope": "public",
        ]
        #expect(
            EraBridge.legacyResult(fromModern: prompts, method: Method.promptsList, revision: .v2025_03_26)
                == ["prompts": [["name": "p", "arguments": [["name": "a", "required": true]]]]])
        let prompt: JSON = [
            "messages": [
                ["role": "user", "content": ["type": "resource_link", "uri": "x://y", "name": "y"]]
            ]
        ]
        #expect(
            EraBridge.legacyResult(fromModern: prompt, method: Method.promptsGet, revision: .v2025_03_26)
                == ["messages": [["role": "user", "content": ["type": "text", "text": "x://y"]]]])
        #expect(
            EraBridge.legacyResult(fromModern: prompt, method: Method.promptsGet, revision: .v2025_06_18)
                == prompt)
    }

    @Test func `caching that a server gave is kept, nonsense is not`() {
        let given: JSON = ["contents": [["uri": "x"]], "ttlMs": 7, "cacheScope": "public"]
        #expect(
            EraBridge.modernResult(fromLegacy: given, method: Method.resourcesRead)
                == given.setting("resultType", to: "complete"))
        let nonsense: JSON = ["ttlMs": "soon", "cacheScope": "all", "resultType": 1]
        #expect(
            EraBridge.modernResult(
                fromLegacy: nonsense, method: Method.toolsList,
                caching: .init(milliseconds: -4, scope: .public))
                == ["ttlMs": 0, "cacheScope": "public", "resultType": "complete"])
    }

    @Test(
        arguments: [
            ("2024-11-05", ProtocolRevision.v2024_11_05), ("2025-11-25", .v2025_11_25),
            ("2026-07-28", .v2025_11_25), ("1999-01-01", .v2025_11_25), (nil, .v2025_11_25),
        ] as [(String?, ProtocolRevision)])
    func `initialize is answered with a legacy revision`(requested: String?, answer: ProtocolRevision) {
        #expect(EraBridge.negotiated(requested: requested) == answer)
    }

    @Test(arguments: [
        (
            ProtocolRevision.v2025_11_25,
            #"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#
        ),
        (.v2025_06_18, #"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{}}}"#),
        (.v2025_03_26, #"{"roots":{},"sampling":{"tools":{}}}"#),
    ])
    func `a session's capabilities are declared upstream as far as they were meant`(
        revision: ProtocolRevision, expected: String
    ) throws {
        let declared = try JSON(
            validating: #"""
                {"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"tasks":{}}
                """#)
        #expect(
            EraBridge.modernClientCapabilities(fromLegacy: declared, revision: revision).text == expected)
    }

    @Test(arguments: [
        (ProtocolRevision.v2025_11_25, #"{"elicitation":{"url":{}}}"#, #"{"elicitation":{"url":{}}}"#),
        (.v2025_06_18, #"{"elicitation":{"url":{}}}"#, "{}"),
        (.v2025_06_18, #"{"elicitation":{"form":{},"url":{}}}"#, #"{"elicitation":{}}"#),
        (.v2025_06_18, #"{"elicitation":{},"extensions":{"a/b":{}}}"#, #"{"elicitation":{}}"#),
        (.v2025_03_26, #"{"elicitation":{},"sampling":{"tools":{}}}"#, #"{"sampling":{}}"#),
    ])
    func `a legacy server is told what its revision knows`(
        revision: ProtocolRevision, modern: String, legacy: String
    ) throws {
        let capabilities = try JSON(validating: modern)
        #expect(
            EraBridge.legacyClientCapabilities(fromModern: capabilities, revision: revision).text == legacy)
    }

    @Test(arguments: [
        ("disk_usage", true), ("a.b/c-d", true), (String(repeating: "x", count: 65), false), ("a b", false),
        ("é", false),
    ])
    func `portable names are those that conformance accepts`(name: String, isPortable: Bool) {
        #expect(ToolDefinition(["name": .string(name)])?.hasPortableName == isPortable)
    }
}
