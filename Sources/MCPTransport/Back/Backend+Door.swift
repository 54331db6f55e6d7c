/// How a backend is opened, and what is done when a person has changed that.
extension Backend {
    /// Tries again now instead of at the end of the wait; lists again if it is up.
    package func recheck() {
        client.forget()
        inbox.post { $0.isRecheck = true }
    }

    /// Its URL and what opens it.
    func door() throws(BackendFault) -> AuthorizedURL {
        guard case .http(let url, let headers, let query, _) = target else {
            throw BackendFault(.notReached, "it has no URL")
        }
        return try AuthorizedURL(url, headers: headers, query: query, secrets: secrets, formers: formers)
    }

    /// Has what was opened at the start opened again: the environment of a child, which is started anew. A server over
    /// HTTP is only asked again, since its headers are made for each request.
    ///
    /// - Parameter isRotation: whether former values are live too, so that nothing that is open needs to be shut.
    package func restart(isRotation: Bool = false) {
        switch target {
        case .stdio:
            asking?.instances.retire()
            inbox.post { $0.isRestart = true }
        case .http:
            guard isRotation else { return recheck() }
            client.secretRotated()
            inbox.post { $0.isRecheck = true }
        }
    }
}
