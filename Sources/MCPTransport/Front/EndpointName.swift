package import MCPModel

/// One MCP endpoint of a node, by its path, and how this client wants its tools shown.
package struct EndpointName: Hashable, Sendable, CustomStringConvertible {
    package enum Place: Hashable, Sendable {
        /// `/mcp`: everything this caller may see.
        case all
        /// `/servers/NAME/mcp`: one server (`NAME`, or `NODE--NAME` for another node's) or virtual server.
        case server(String)
    }

    package var place: Place
    /// `?mode=`; `nil`: as the endpoint's definition says.
    package var mode: ListingMode?

    package init(_ place: Place, mode: ListingMode? = nil) {
        self.place = place
        self.mode = mode
    }

    package static let all = EndpointName(.all)
    package static func server(_ name: String) -> EndpointName { EndpointName(.server(name)) }

    /// The same place as its definition shows it.
    package var asDefined: EndpointName { EndpointName(place) }

    package var description: String {
        let path =
            switch place {
            case .all: "/mcp"
            case .server(let name): "/servers/\(name)/mcp"
            }
        return mode.map { "\(path)?mode=\($0.rawValue)" } ?? path
    }
}
