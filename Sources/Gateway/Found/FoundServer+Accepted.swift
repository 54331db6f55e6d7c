import Discovery

extension FoundServer {
    /// What was accepted as this service and is found there no more: this is where it moved to.
    ///
    /// While its old URL is still announced, another service of the same name is another server.
    ///
    /// - Parameters:
    ///   - accepted: what was accepted by a command.
    ///   - found: all that is found now.
    func moved(from accepted: [ServerDefinition], whileFinding found: [FoundServer]) -> ServerDefinition? {
        accepted.first { definition in
            guard definition.service == service, let url = definition.url, !urls.contains(url),
                // Accepted by a version that did not remember the host.
                (definition.serviceHost ?? hostName) == hostName
            else { return false }
            return !found.contains { $0.urls.contains(url) }
        }
    }
}
