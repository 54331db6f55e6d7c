/// The state of a node that decisions about calls rest on, as numbers.
struct StandingState: Sendable {
    /// Whether all of it is as it was when this was made.
    let isUnchanged: @Sendable () -> Bool

    /// - Parameter paneVersion: another for each change of what is held back.
    init(_ board: CatalogBoard, _ local: LocalServers, _ paneVersion: @escaping @Sendable () -> UInt64) {
        let (catalog, servers, panes) = (board.version, local.version, paneVersion())
        isUnchanged = {
            board.version == catalog && local.version == servers && paneVersion() == panes
        }
    }
}
