package import JSONSlice

/// One operation of an API as a tool.
package struct TranslatedTool: Hashable, Sendable {
    package var name: String
    /// As MCP lists it: name, description, `inputSchema`, annotations.
    package var definition: JSON
    package var plan: RequestPlan
}

/// An OpenAPI description (3.0 or 3.1) as tools.
package struct APIDescription: Hashable, Sendable {
    /// More tools than any client could choose from.
    package static let operationsMax = 2_000
    /// Of one definition with the schemas that come along: as much as an entry of the catalog may have.
    package static let definitionBytesMax = 256 * 1024
    private static let methods = ["get", "put", "post", "delete", "patch", "head", "options"]

    /// In the order of the description.
    package let tools: [TranslatedTool]
    /// Operations whose definitions are larger than ``definitionBytesMax``, by the names they would have had.
    package let leftOut: [String]

    /// - Complexity: O(operations × (size of the paths + ``definitionBytesMax``)).
    package init(_ document: JSON) throws(TranslateError) {
        guard document["openapi"]?.string?.hasPrefix("3.") == true, let paths = document["paths"],
            paths.kind == .object
        else { throw .notOpenAPI }
        var (tools, leftOut, taken) = ([TranslatedTool](), [String](), Set<String>())
        for (path, item) in paths.members {
            for (method, operation) in item.members where Self.methods.contains(method) {
                guard taken.count < Self.operationsMax else {
                    throw .tooManyOperations(limit: Self.operationsMax)
                }
                let name = ToolName.free(
                    ToolName.plain(operation["operationId"]?.string ?? "\(method)_\(path)"), besides: &taken)
                var arguments = OperationArguments(
                    path: path, in: document, bytesMax: Self.definitionBytesMax)
                arguments.take(operation: operation, of: item)
                if let schema = arguments.schema() {
                    tools.append(Self.tool(name, method, path, operation, schema, arguments.places))
                } else {
                    leftOut.append(name)
                }
            }
        }
        (self.tools, self.leftOut) = (tools, leftOut)
    }

    private static func tool(
        _ name: String, _ method: String, _ path: String, _ operation: JSON, _ schema: JSON,
        _ places: [RequestPlan.Place]
    ) -> TranslatedTool {
        var members: [(String, JSON)] = [("name", .string(name))]
        if let text = operation["description"] ?? operation["summary"], text.kind == .string {
            members.append(("description", text))
        }
        members += [("inputSchema", schema), ("annotations", annotations(of: method))]
        return TranslatedTool(
            name: name, definition: .object(members),
            plan: RequestPlan(method: method.uppercased(), path: path, places: places))
    }

    /// What HTTP promises of a method (RFC 9110 §9.2).
    private static func annotations(of method: String) -> JSON {
        switch method {
        case "get", "head", "options": ["readOnlyHint": true]
        case "put": ["readOnlyHint": false, "idempotentHint": true]
        case "delete": ["readOnlyHint": false, "destructiveHint": true, "idempotentHint": true]
        default: ["readOnlyHint": false]
        }
    }
}
