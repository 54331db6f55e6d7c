package import JSONSlice

extension EndpointView {
    /// A call as its client means it: of the tool that `call_tool` names, in that tool's own arguments.
    ///
    /// - Parameter params: of a `tools/call` of `call_tool`; all members but `name` and `arguments` stay.
    /// - Throws: a result for the client, when the tool is not there or the arguments do not fit.
    /// - Complexity: O(bytes of params and of the tool's schema)
    package func called(through params: JSON) throws(SearchTools.Complaint) -> JSON {
        let own = SearchTools.Name.call.rawValue
        let given = params["arguments"] ?? .emptyObject
        let schema = SearchTools.definition(named: own)?["inputSchema"] ?? .emptyObject
        let mismatches = SchemaCheck.mismatches(of: given, with: schema)
        guard mismatches.isEmpty else {
            throw SearchTools.Complaint(result: SearchTools.complaint(mismatches, tool: own))
        }
        // Arguments too large to be looked at may lack it.
        guard let name = given["name"]?.string else {
            throw SearchTools.Complaint(
                result: SearchTools.complaint([SchemaMismatch(at: "", "lacks name (string)")], tool: own))
        }
        guard let tool = entry(.tool, named: name) else {
            let nearest = NearestName.to(name, among: list(.tool).lazy.map(\.name))
            let advice = nearest.map { "Did you mean \($0)? " } ?? ""
            throw SearchTools.Complaint(
                result: SearchTools.complaint(
                    "There is no tool \(name) here. \(advice)search_tools finds tools."))
        }
        let arguments = given["arguments"] ?? .emptyObject
        let wrong = SchemaCheck.mismatches(
            of: arguments, with: tool.definition["inputSchema"] ?? .emptyObject)
        guard wrong.isEmpty else {
            throw SearchTools.Complaint(result: SearchTools.complaint(wrong, tool: name))
        }
        return params.setting("name", to: .string(name)).setting("arguments", to: arguments)
    }
}
