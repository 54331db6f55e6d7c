import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport

/// This node as its MCP fronts see it: every closure of ``MCPService`` over the rules, the router and the door.
enum NodeService {
    static func make(
        router: CallRouter, watchers: Watchers, subscriptions: ResourceSubscriptions,
        door: FrontDoor, access: AccessDesk,
        label: @escaping @Sendable () -> String
    ) -> MCPService {
        MCPService(
            door: door,
            describe: { endpoint, principal in
                access.made(endpoint, for: principal).map { made in
                    let (view, node) = (access.shown(made.view, at: endpoint), label())
                    return made.shelf.description(of: view, on: node) {
                        EndpointDescription(
                            serverInfo: serverInfo(of: endpoint, title: view.title, node: node),
                            instructions: instructions(of: view), capabilities: view.capabilities)
                    }
                }
            },
            list: { endpoint, principal, kind, cursor in
                guard let made = access.made(endpoint, for: principal) else {
                    return .failure(.invalidParams("no server stands at \(endpoint)"))
                }
                let view = access.shown(made.view, at: endpoint)
                do throws(ListCursor.Stale) {
                    return .success(try made.shelf.page(of: kind, in: view, from: cursor))
                } catch {
                    return .failure(stale)
                }
            },
            call: { call, sink in router.call(call, sink) },
            watch: { endpoint, principal, tell in watchers.watch(endpoint, as: principal, tell) },
            subscribe: { subscriptions.watch($0) },
            definition: { endpoint, principal, kind, name in
                guard let view = access.view(endpoint, for: principal) else { return nil }
                if view.isSearched, kind == .tools, let own = SearchTools.definition(named: name) {
                    return own
                }
                return view.entry(kind.entryKind, named: name)?.definition
            },
            taskSupport: { endpoint, principal, tool in
                guard let view = access.view(endpoint, for: principal) else { return .forbidden }
                // Which tool `call_tool` calls is not known before its arguments are.
                let isOwn = view.isSearched && SearchTools.Name(rawValue: tool) != nil
                return isOwn ? .forbidden : view.taskSupport(ofTool: tool)
            },
            toolPass: { router.toolPass($0, $1, $2) },
            unchanged: { router.unchanged() })
    }

    private static func serverInfo(of endpoint: EndpointName, title: String?, node: String) -> JSON {
        let name =
            switch endpoint.place {
            case .all: "martlet"
            case .server(let name): name
            }
        var members: [(String, JSON)] = [
            ("name", .string(name)), ("version", .string(SoftwareVersion.current)),
        ]
        members.append(("title", .string(title ?? "Martlet node \(node)")))
        return .object(members)
    }

    private static func instructions(of view: EndpointView) -> String? {
        guard view.isSearched else { return view.instructions }
        return view.instructions.map { "\(SearchTools.instructions)\n\n\($0)" } ?? SearchTools.instructions
    }

    private static let stale = RPCError.invalidParams(
        "the cursor is none that this list gave, or the list has changed too much; begin again without one")
}

extension EntryListKind {
    var entryKind: EntryKind {
        switch self {
        case .tools: .tool
        case .resources: .resource
        case .resourceTemplates: .resourceTemplate
        case .prompts: .prompt
        }
    }
}
