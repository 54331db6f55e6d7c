/// Where a node's configuration and data are, from its environment (XDG Base Directory).
package enum ConfigurationLookup {
    package enum Found: Hashable, Sendable {
        case file(String, Source)
        /// Somebody named a file, and there is none: an error, never a reason to look further.
        case missing(String, Source)
        /// Nobody named one, and none of these exists: the node runs on defaults.
        case none(lookedFor: [String])
    }

    package enum Source: Hashable, Sendable, CustomStringConvertible {
        case option
        case environment
        case usualPlace

        package var description: String {
            switch self {
            case .option: "--config"
            case .environment: "MARTLET_CONFIG"
            case .usualPlace: "its usual place"
            }
        }
    }

    /// - Parameter option: the value of `--config`.
    package static func file(
        option: String?, environment: [String: String], exists: (String) -> Bool
    ) -> Found {
        if let option { return exists(option) ? .file(option, .option) : .missing(option, .option) }
        if let named = environment["MARTLET_CONFIG"], !named.isEmpty {
            return exists(named) ? .file(named, .environment) : .missing(named, .environment)
        }
        let places =
            ["./martlet.yaml"]
            + (folder("XDG_CONFIG_HOME", inHome: ".config", environment).map {
                ["\($0)/martlet/martlet.yaml"]
            } ?? [])
            + ["/etc/martlet/martlet.yaml"]
        guard let place = places.first(where: exists) else { return .none(lookedFor: places) }
        return .file(place, .usualPlace)
    }

    /// The data folder where neither `--data` nor `node.data` says one; `nil` without a home.
    package static func dataFolder(environment: [String: String]) -> String? {
        folder("XDG_STATE_HOME", inHome: ".local/state", environment).map { "\($0)/martlet" }
    }

    /// XDG wants relative paths in its variables ignored.
    private static func folder(
        _ variable: String, inHome fallback: String, _ environment: [String: String]
    ) -> String? {
        if let value = environment[variable], value.hasPrefix("/") { return value }
        guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
        return home == "/" ? "/\(fallback)" : "\(home)/\(fallback)"
    }
}
