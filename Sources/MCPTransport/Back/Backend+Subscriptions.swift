import JSONSlice
import MCPModel

/// Subscriptions to single resources of a backend (docs/decisions/0011).
extension Backend {
    /// Has the subscriptions that are held made at a link that was greeted, for the first time or anew.
    ///
    /// - Parameters:
    ///   - post: the link's number at ``subscriptions``.
    ///   - isFirst: whether it is the first connection, whose word counts.
    func subscribe(
        at link: any BackendLink, _ greeting: Greeting, post: Int, isFirst: Bool
    ) {
        let revision = greeting.revision
        subscriptions.linked(post, link, greeting, isFirst: isFirst) {
            [weak self] method, params, isEndless in
            self?.own(method, params, revision: revision, isEndless: isEndless)
                ?? LinkRequest(number: 0, method: method, params: params)
        }
    }
    /// A legacy session that is asked for log messages when a call wants them.
    func talkative(
        _ link: any BackendLink, _ greeting: Greeting, onClose: @escaping @Sendable () -> Void
    ) -> TalkativeLink {
        let revision = greeting.revision
        return TalkativeLink(
            link, group: group,
            make: { [weak self] method, params in
                self?.own(method, params, revision: revision)
                    ?? LinkRequest(number: 0, method: method, params: params)
            }, onClose: onClose)
    }
}
