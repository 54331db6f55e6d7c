import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport

/// This node as its MCP fronts see it: every closure of ``MCPService`` over the board, the router and the door.
enum NodeService {
    /// Entries a page; a client that wants more asks with the cursor.
    static let pageSize = 1_000
    /// Bytes of definitions a page: far below what clients take as one message.
    static let pageBytesMax = 4 * 1024 * 1024

    static func make(
        board: CatalogBoard, router: CallRouter, watchers: Watchers, subscriptions: ResourceSubscriptions,
        door: CallerDoor,
        label: @escaping @Sendable () -> String
    ) -> MCPService {
        MCPService(
            authorize: { door.authorize($0) },
            describe: { endpoint, _ in
                board.view(endpoint).map { view in
                    EndpointDescription(
                        serverInfo: serverInfo(of: endpoint, title: view.title, node: label()),
                        instructions: view.instructions, capabilities: view.capabilities)
                }
            },
            list: { endpoint, _, kind, cursor in
                guard let view = board.view(endpoint) else {
                    return .failure(.invalidParams("no server stands at \(endpoint)"))
                }
                return page(view.list(kind.entryKind), from: cursor)
            },
            call: { call, sink in router.call(call, sink) },
            watch: { endpoint, _, tell in watchers.watch(endpoint, tell) },
            subscribe: { subscriptions.watch($0) },
            definition: { endpoint, _, kind, name in
                board.view(endpoint)?.entry(kind.entryKind, named: name)?.definition
            },
            taskSupport: { endpoint, _, tool in board.view(endpoint)?.taskSupport(ofTool: tool) ?? .forbidden
            })
    }

    private static func serverInfo(of endpoint: EndpointName, title: String?, node: String) -> JSON {
        let name =
            switch endpoint {
            case .all: "martlet"
            case .server(let name): name
            }
        var members: [(String, JSON)] = [
            ("name", .string(name)), ("version", .string(SoftwareVersion.current)),
        ]
        members.append(("title", .string(title ?? "Martlet node \(node)")))
        return .object(members)
    }

    private static func page(_ entries: [ListedEntry], from cursor: String?) -> Result<ListPage, RPCError> {
        do throws(ListCursor.Stale) {
            let page = try ListCursor.page(
                of: entries, after: cursor, entriesMax: pageSize, bytesMax: pageBytesMax)
            return .success(ListPage(items: page.entries.map(\.definition), nextCursor: page.cursor))
        } catch {
            return .failure(
                .invalidParams(
                    "the cursor is none that this list gave, or the list has changed too much; begin again without one"
                ))
        }
    }
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
